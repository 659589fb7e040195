"""TORQUE and its relatives: OpenPBS, and Slurm's wrappers for TORQUE commands.

Only options and output that all three share are used; where they differ, their output tells them
apart. Measured on TORQUE 6, OpenPBS 23.06 and slurm-wlm-torque 22.05.
"""

import os
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xamsflow.base.errors import FailureClass
from xamsflow.batch import slurm, systems
from xamsflow.batch.commands import Answer
from xamsflow.batch.request import Request
from xamsflow.batch.submissions import JOB_NAME, matched
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

QSUB_TIMEOUT_S = 180.0
"""With Slurm's wrapper, sbatch tries for 120 s to enter a full queue before it reports failure."""
QSTAT_TIMEOUT_S = 20.0
"""A frozen server blocks its clients; Slurm's clients give up after 10 s."""
NAME_LENGTH = 15
"""The POSIX limit on the length of a job name."""
UNKNOWN_JOB = 153
"""Exit code of qstat in all three systems for a job that the server does not know."""

ALIVE = {
    "Q": "queued",
    "H": "held",
    "W": "waiting for its start time",
    "T": "moving to another queue",
    "M": "moved to another server",
    "B": "an array that has started",
    "R": "running",
    "S": "suspended",
    "U": "suspended, its workstation is in use",
    "E": "ending",
}
"""States of a job that has not ended; all others (C, F, X) mean that it has ended.

Slurm's wrapper reports U for a job that ran out of memory.
"""

LIMITS = re.compile(
    r"maximum number of jobs|would exceed|job limit|max_?submit|submit ?job|max_user_queuable"
    r"|temporarily unable to accept|resource temporarily unavailable",
    re.IGNORECASE,
)
CLOSED = re.compile(r"not enabled|required partition not available", re.IGNORECASE)
OTHER_QUEUE = re.compile(
    r"unknown queue|invalid partition|queue and/or server resource limits|queue resource limits"
    r"|time limit is invalid|not available|cannot locate feasible|access to queue"
    r"|not within|unauthorized request|partition|nonrerunable",
    re.IGNORECASE,
)
REJECTED = re.compile(
    r"unknown option|invalid option|usage:|unknown resource|illegal|bad [ug]id|invalid account"
    r"|run as root"
    r"|invalid generic resource|script file|invalid time limit|no such file",
    re.IGNORECASE,
)

TORQUE_ENDS = {
    -1: NOT_STARTED,
    -2: NOT_STARTED,
    -3: NODE_LOST,
    -4: NODE_LOST,
    -5: NODE_LOST,
    -6: NODE_LOST,
    -8: NOT_STARTED,
    -9: NOT_STARTED,
    -10: OVER_MEMORY,
    -11: OVER_TIME,
    -12: OVER_TIME,
}
"""Negative exit_status of TORQUE: its administrator's guide, "Job exit status"."""

OPENPBS_ENDS = {
    -1: NOT_STARTED,
    -2: NOT_STARTED,
    -3: NODE_LOST,
    -4: NODE_LOST,
    -5: NODE_LOST,
    -6: NODE_LOST,
    -24: End("it used more CPUs than requested", FailureClass.RESOURCES),
    -25: End("it used more CPUs than requested", FailureClass.RESOURCES),
    -26: OVER_MEMORY,
    -27: OVER_MEMORY,
    -28: OVER_TIME,
    -29: OVER_TIME,
}
"""Negative Exit_status of OpenPBS: JOB_EXEC_* of its job.h."""


class System:
    """TORQUE, OpenPBS, or Slurm with TORQUE's commands."""

    def submit(self, request: Request, queue: str | None, script: Path, log: Path) -> str:
        """See `BatchSystem`."""
        answer = ask(qsub(request, queue, script, log), QSUB_TIMEOUT_S)
        if answer.code:
            raise refusal(answer)
        return job_name(answer.out)

    def alive(self) -> frozenset[str]:
        """See `BatchSystem`."""
        user = pwd.getpwuid(os.getuid()).pw_name
        answer = ask(["qstat", "-u", user], QSTAT_TIMEOUT_S)
        if answer.code not in (0, UNKNOWN_JOB):
            if not REJECTED.search(answer.text):
                raise Unreachable(_line(answer))
            # The jobs of all users, in the only format that POSIX requires.
            answer = ask(["qstat"], QSTAT_TIMEOUT_S)
            if answer.code not in (0, UNKNOWN_JOB):
                raise Unreachable(_line(answer))
        return frozenset(parse_table(answer.out))

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        """See `BatchSystem`."""
        answer = ask(["qstat", "-f", *jobs], QSTAT_TIMEOUT_S)
        found = matched(jobs, parse_full(answer.out))
        unlisted = [job for job in jobs if job not in found]
        if "has finished" in answer.text:
            # OpenPBS lists ended jobs only with -x; TORQUE, where -x means XML, never says this.
            history = ask(["qstat", "-x", "-f", *unlisted], QSTAT_TIMEOUT_S)
            found |= matched(unlisted, parse_full(history.out))
        elif answer.code == UNKNOWN_JOB or "unknown job" in answer.text.lower():
            found |= dict.fromkeys(unlisted, Details(known=False, ended=False, end=None))
        elif answer.code:
            raise Unreachable(_line(answer))
        unclear = [job for job in jobs if job.isdigit() and _is_unclear(found.get(job))]
        return found | (slurm.details(unclear) if unclear else {})

    def cancel(self, jobs: Sequence[str]) -> None:
        """See `BatchSystem`."""
        answer = ask(["qdel", *jobs], QSTAT_TIMEOUT_S)
        if re.search(r"cannot connect|contact|refused|timed? ?out", answer.text, re.IGNORECASE):
            raise Unreachable(_line(answer))


def qsub(request: Request, queue: str | None, script: Path, log: Path) -> list[str]:
    """Return the command that submits a job script.

    There is only one -l, because Slurm's wrapper ignores all but the last; all three systems
    understand a wall time in seconds. The batch system must not restart jobs (-r n): the driver
    decides that. No mail. Never -V: the job's record would contain the whole environment,
    passwords included.
    """
    needs = [f"nodes=1:ppn={request.cores}"]
    if request.runtime_min is not None:
        needs.append(f"walltime={request.runtime_min * 60}")
    if request.memory_mb is not None:
        needs.append(f"mem={request.memory_mb}mb")
    command = ["qsub", "-N", short_name(request.name), "-j", "oe", "-o", str(log)]
    command += ["-m", "n", "-r", "n", "-l", ",".join(needs)]
    if queue is not None:
        command += ["-q", queue]
    return [*command, *request.options, str(script)]


def short_name(name: str) -> str:
    """Return a valid PBS job name: at most 15 characters, beginning with a letter.

    A long name keeps its end, which contains the run.
    """
    if len(name) > NAME_LENGTH:
        rule, _, rest = name.partition("-")
        name = f"{rule[: max(1, NAME_LENGTH - 1 - len(rest))]}-{rest}"[:NAME_LENGTH]
    return name if name[:1].isalpha() else f"x{name}"[:NAME_LENGTH]


def job_name(printed: str) -> str:
    """Return the job's name from qsub's output, ignoring any text that a site adds."""
    names = [line.strip() for line in printed.splitlines() if JOB_NAME.fullmatch(line.strip())]
    if not names:
        raise Rejected(f"qsub printed no job: {' '.join(printed.split())[:200]!r}")
    return names[-1]


def refusal(answer: Answer) -> Exception:
    """Return why qsub refused; an unknown message counts as a temporary problem."""
    said, line = _said(answer), _line(answer)
    if LIMITS.search(said):
        return LimitReached(line)
    if CLOSED.search(said):
        return QueueClosed(line)
    if OTHER_QUEUE.search(said):
        return QueueRefused(line)
    if REJECTED.search(said):
        return Rejected(line)
    return Unreachable(line)


def parse_table(printed: str) -> list[str]:
    """Return the names of the jobs that qstat lists as not ended.

    In the tables of all three systems, the state is the last column but one, and a job's full name
    may be truncated after its number.
    """
    alive = []
    for line in printed.splitlines():
        fields = line.split()
        job = JOB_NAME.match(fields[0]) if len(fields) > 3 else None
        if job is None:
            continue
        state = fields[-2]
        # A bare number is Slurm's; there, U means that the job has ended, and scontrol knows how.
        if state in ALIVE and not (state == "U" and fields[0].isdigit()):
            alive.append(job.group())
    return alive


def parse_full(printed: str) -> dict[str, Details]:
    """Return what `qstat -f` says about each job, by its name."""
    found = {}
    for block in re.split(r"^Job Id:\s*", printed, flags=re.MULTILINE)[1:]:
        job, _, rest = block.partition("\n")
        if JOB_NAME.fullmatch(job.strip()):
            found[job.strip()] = _of_fields(rest)
    return found


def _of_fields(text: str) -> Details:
    state = re.search(r"^\s+job_state = (\w)", text, flags=re.MULTILINE)
    if state is None or state.group(1) in ALIVE:
        return Details(known=True, ended=False, end=None)
    code = re.search(r"^\s+([Ee])xit_status = (-?\d+)", text, flags=re.MULTILINE)
    if code is not None:
        openpbs = code.group(1) == "E"
        return Details(known=True, ended=True, end=end_of_code(int(code.group(2)), openpbs=openpbs))
    # Without an exit status, TORQUE and OpenPBS list jobs deleted before they ran, Slurm's
    # wrapper lists all jobs; only the former name the server.
    if re.search(r"^\s+server = ", text, flags=re.MULTILINE):
        return Details(known=True, ended=True, end=CANCELLED)
    return Details(known=True, ended=True, end=None)


def end_of_code(code: int, *, openpbs: bool) -> End:
    """Return the end that an exit status stands for.

    Negative codes are those of the batch system; signals are added to 128 or 256.
    """
    if code == 0:
        return SUCCESS
    if code < 0:
        ends = OPENPBS_ENDS if openpbs else TORQUE_ENDS
        return ends.get(code, End(f"the batch system's code {code}", FailureClass.UNKNOWN))
    if code > 256:
        return systems.by_signal(code - 256)
    if code > 128:
        return systems.by_signal(code - 128)
    return End(f"exit code {code}", FailureClass.UNKNOWN)


def _is_unclear(details: Details | None) -> bool:
    return details is None or not details.known or (details.ended and details.end is None)


def _said(answer: Answer) -> str:
    """Return a command's output, without the command line that Slurm's wrapper prints first."""
    return answer.text.rpartition("and the output was:")[2]


def _line(answer: Answer) -> str:
    return " ".join(_said(answer).split())[:300] or f"exit code {answer.code} without output"
