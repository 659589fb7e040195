"""Slurm, through its command-line tools."""

import os
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xamsflow.base.errors import FailureClass
from xamsflow.batch import systems
from xamsflow.batch.commands import Answer
from xamsflow.batch.request import Request
from xamsflow.batch.submissions import number
from xamsflow.batch.systems import (
    CANCELLED,
    NODE_LOST,
    NOT_STARTED,
    OVER_MEMORY,
    OVER_TIME,
    SUCCESS,
    Details,
    End,
    LimitReached,
    QueueClosed,
    QueueRefused,
    Rejected,
    Unreachable,
    ask,
)

SBATCH_TIMEOUT_S = 180.0
"""sbatch tries for 120 s to enter a full queue before it reports failure."""
QUERY_TIMEOUT_S = 20.0

ENDS = {
    "COMPLETED": SUCCESS,
    "TIMEOUT": OVER_TIME,
    "DEADLINE": OVER_TIME,
    "OUT_OF_MEMORY": OVER_MEMORY,
    "CANCELLED": CANCELLED,
    "PREEMPTED": CANCELLED,
    "REVOKED": CANCELLED,
    "NODE_FAIL": NODE_LOST,
    "BOOT_FAIL": NODE_LOST,
}
"""States of ended jobs (squeue(1), JOB STATE CODES) except FAILED; other jobs are alive."""

LAUNCH_FAILURE = 53
"""Reported instead of a signal if the node could not start the script or open its log."""

LIMITS = re.compile(r"submit ?limit|MaxSubmit|MaxJobCount|temporarily un", re.IGNORECASE)
CLOSED = re.compile(r"required partition not available", re.IGNORECASE)
OTHER_QUEUE = re.compile(
    r"partition|time limit is invalid|configuration is not available", re.IGNORECASE
)
REJECTED = re.compile(
    r"usage:|unrecognized option|invalid option|invalid account|unable to open file|invalid --",
    re.IGNORECASE,
)


class System:
    """Slurm."""

    def submit(self, request: Request, queue: str | None, script: Path, log: Path) -> str:
        """See `BatchSystem`."""
        answer = ask(sbatch(request, queue, script, log), SBATCH_TIMEOUT_S)
        if answer.code == 0:
            # With several clusters: number;cluster.
            names = re.findall(r"^(\d+)(?:;.*)?$", answer.out, flags=re.MULTILINE)
            if not names:
                raise Rejected(f"sbatch printed no job: {_line(answer)}")
            return str(names[-1])
        if LIMITS.search(answer.text):
            raise LimitReached(_line(answer))
        if CLOSED.search(answer.text):
            raise QueueClosed(_line(answer))
        if OTHER_QUEUE.search(answer.text):
            raise QueueRefused(_line(answer))
        if REJECTED.search(answer.text):
            raise Rejected(_line(answer))
        raise Unreachable(_line(answer))

    def alive(self) -> frozenset[str]:
        """See `BatchSystem`."""
        user = pwd.getpwuid(os.getuid()).pw_name
        answer = ask(["squeue", "--noheader", "--user", user, "--format", "%i"], QUERY_TIMEOUT_S)
        if answer.code:
            raise Unreachable(_line(answer))
        return frozenset(answer.out.split())

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        """See `BatchSystem`."""
        return details(jobs)

    def cancel(self, jobs: Sequence[str]) -> None:
        """See `BatchSystem`."""
        answer = ask(["scancel", *map(number, jobs)], QUERY_TIMEOUT_S)
        if re.search(r"unable to contact|connection", answer.text, re.IGNORECASE):
            raise Unreachable(_line(answer))


def sbatch(request: Request, queue: str | None, script: Path, log: Path) -> list[str]:
    """Return the command that submits a job script."""
    command = ["sbatch", "--parsable", f"--job-name={request.name}", f"--output={log}"]
    command += ["--no-requeue", "--nodes=1", "--ntasks=1", f"--cpus-per-task={request.cores}"]
    if request.runtime_min is not None:
        command.append(f"--time={request.runtime_min}")
    if request.memory_mb is not None:
        command.append(f"--mem={request.memory_mb}M")
    if queue is not None:
        command.append(f"--partition={queue}")
    return [*command, *request.options, str(script)]


def details(jobs: Sequence[str]) -> dict[str, Details]:
    """Return what the controller still knows about jobs (for MinJobAge, by default 300 s).

    Raises Unreachable.
    """
    found = {}
    for job in jobs:
        answer = ask(["scontrol", "-o", "show", "job", number(job)], QUERY_TIMEOUT_S)
        if answer.code == 0 and "JobState=" in answer.out:
            found[job] = parse_job(answer.out)
        elif "invalid job id" in answer.text.lower():
            found[job] = Details(known=False, ended=False, end=None)
        else:
            raise Unreachable(_line(answer))
    return found


def parse_job(printed: str) -> Details:
    """Return a job's details from the output of `scontrol -o show job`."""
    fields = dict(re.findall(r"\b(JobState|ExitCode|Reason)=(\S+)", printed))
    state = fields["JobState"]
    if state == "FAILED":
        return Details(known=True, ended=True, end=_failed(fields))
    end = ENDS.get(state)
    return Details(known=True, ended=end is not None, end=end)


def _failed(fields: Mapping[str, str]) -> End:
    code, _, signal = fields.get("ExitCode", "1:0").partition(":")
    if int(signal or 0) == LAUNCH_FAILURE:
        return NOT_STARTED
    if int(signal or 0):
        return systems.by_signal(int(signal))
    if int(code) > 128:
        return systems.by_signal(int(code) - 128)
    return End(f"exit code {code}", FailureClass.UNKNOWN)


def _line(answer: Answer) -> str:
    return " ".join(answer.text.split())[:300] or f"exit code {answer.code} without output"
