"""HTCondor, through its command-line tools."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xamsflow.base.errors import FailureClass
from xamsflow.batch import systems
from xamsflow.batch.commands import Answer
from xamsflow.batch.request import Request
from xamsflow.batch.submissions import matched, number, server
from xamsflow.batch.systems import (
    CANCELLED,
    OVER_MEMORY,
    OVER_TIME,
    SUCCESS,
    Details,
    End,
    LimitReached,
    Rejected,
    Unreachable,
    ask,
)

SUBMIT_TIMEOUT_S = 120.0
QUERY_TIMEOUT_S = 30.0

ALIVE = {"1": "idle", "2": "running", "6": "transferring output", "7": "suspended"}
REMOVED, COMPLETED, HELD = "3", "4", "5"
"""JobStatus of the job's ClassAd (HTCondor manual, "Job ClassAd Attributes")."""

MEMORY_HOLDS = {"34"}
"""HoldReasonCode: memory limit exceeded."""
TIME_HOLDS = {"46", "47"}
"""HoldReasonCode: job duration exceeded, execute duration exceeded."""

ENVIRONMENT = "PATH, HOME, USER, LANG"
"""Variables passed to a job: Snakemake needs PATH. Others are omitted: they may hold passwords."""

FIELDS = ("GlobalJobId", "JobStatus", "ExitBySignal", "ExitSignal", "ExitCode", "HoldReasonCode")


class System:
    """HTCondor."""

    def submit(self, request: Request, queue: str | None, script: Path, log: Path) -> str:
        """See `BatchSystem`; the queue is the JobCategory."""
        text = description(request, queue, script, log)
        answer = ask(["condor_submit", "-terse", "-"], SUBMIT_TIMEOUT_S, text)
        if answer.code:
            if re.search(r"MAX_JOBS|limit", answer.text, re.IGNORECASE):
                raise LimitReached(_line(answer))
            if re.search(r"parse error|not a valid|invalid|no such file", answer.text, re.I):
                raise Rejected(_line(answer))
            raise Unreachable(_line(answer))
        # "12.0 - 12.0": the first and the last job.
        names = re.findall(r"^(\d+)\.\d+ - \d+\.\d+\s*$", answer.out, flags=re.MULTILINE)
        if not names:
            raise Rejected(f"condor_submit printed no job: {_line(answer)}")
        return _named(names[-1])

    def alive(self) -> frozenset[str]:
        """See `BatchSystem`."""
        answer = ask(["condor_q", "-af", "GlobalJobId", "JobStatus"], QUERY_TIMEOUT_S)
        if answer.code:
            raise Unreachable(_line(answer))
        return frozenset(job for job, status in _states(answer.out) if status in ALIVE)

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        """See `BatchSystem`. Held jobs count as ended and are removed from the queue.

        Jobs of another host's schedd whose state it does not tell are omitted.
        """
        found: dict[str, Details] = {}
        for where, theirs in _by_schedd(jobs).items():
            try:
                found |= _details(theirs, where)
            except Unreachable:
                if not where:
                    raise
        return found

    def cancel(self, jobs: Sequence[str]) -> None:
        """See `BatchSystem`. A schedd that does not respond does not hold up the others."""
        silent = None
        for where, theirs in _by_schedd(jobs).items():
            try:
                _remove(theirs, where)
            except Unreachable as error:
                silent = error
        if silent is not None:
            raise silent


def _details(jobs: Sequence[str], where: Sequence[str]) -> dict[str, Details]:
    """Return what one schedd knows about its jobs; raises Unreachable."""
    numbers = [number(job) for job in jobs]
    answer = ask(["condor_q", *where, *numbers, "-af", *FIELDS, "HoldReason"], QUERY_TIMEOUT_S)
    if answer.code:
        raise Unreachable(_line(answer))
    found = matched(jobs, parse_jobs(answer.out))
    held = [job for job, status in _states(answer.out) if status == HELD]
    if held := [*matched(jobs, dict.fromkeys(held))]:
        _remove(held, where)
    if left := [job for job in jobs if job not in found]:
        numbers = [number(job) for job in left]
        command = ["condor_history", *where, *numbers, "-limit", str(len(left)), "-af", *FIELDS]
        answer = ask(command, QUERY_TIMEOUT_S)
        if answer.code:
            raise Unreachable(_line(answer))
        found |= matched(left, parse_jobs(answer.out))
    unknown = Details(known=False, ended=False, end=None)
    return {job: found.get(job, unknown) for job in jobs}


def _remove(jobs: Sequence[str], where: Sequence[str]) -> None:
    answer = ask(["condor_rm", *where, *map(number, jobs)], QUERY_TIMEOUT_S)
    if re.search(r"connect|locate", answer.text, re.IGNORECASE):
        raise Unreachable(_line(answer))


def _named(cluster: str) -> str:
    """Return the name of a job that this host's schedd has just accepted.

    Without an answer, it is the bare number, which stands for this host's schedd.
    """
    for command in (["condor_q", cluster], ["condor_history", cluster, "-limit", "1"]):
        try:
            answer = ask([*command, "-af", "GlobalJobId"], QUERY_TIMEOUT_S)
        except Unreachable:
            continue
        for line in answer.out.splitlines():
            if (job := job_name(line)) is not None:
                return job
    return cluster


def _by_schedd(jobs: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """Return jobs by the options that name their schedd; () is this host's schedd."""
    answer = ask(["condor_q", "-totals"], QUERY_TIMEOUT_S)
    if answer.code:
        raise Unreachable(_line(answer))
    header = re.search(r"^-- Schedd: (\S+)", answer.out, flags=re.MULTILINE)
    here = ("", header[1] if header else "")
    found: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        where = () if server(job) in here or header is None else ("-name", server(job))
        found.setdefault(where, []).append(job)
    return found


def job_name(global_id: str) -> str | None:
    """Return a job's name from its GlobalJobId, ``<schedd>#<cluster>.<process>#<time>``."""
    found = re.fullmatch(r"([^#\s]+)#(\d+)\.\d+#\d+", global_id.strip())
    return f"{found[2]}.{found[1]}" if found else None


def description(request: Request, queue: str | None, script: Path, log: Path) -> str:
    """Return the submit description, with a site's options as additional lines."""
    lines = [
        "universe = vanilla",
        f"executable = {script}",
        f"output = {log}",
        f"error = {log}",
        f"log = {script.parent / 'condor.log'}",
        f"batch_name = {request.name}",
        f"getenv = {ENVIRONMENT}",
        'environment = "XAMSFLOW_BATCH_JOB=$(ClusterId).$(ProcId)"',
        "should_transfer_files = NO",
        "notification = never",
        # A removed or held job ends at once. SIGTERM would reach only the shell, which waits for
        # its command, which would continue for the node's MachineMaxVacateTime, 10 minutes.
        "kill_sig = SIGKILL",
        f"request_cpus = {request.cores}",
    ]
    if request.memory_mb is not None:
        lines.append(f"request_memory = {request.memory_mb}")
    if queue is not None:
        lines.append(f'+JobCategory = "{queue}"')
    return "\n".join([*lines, *request.options, "queue", ""])


def parse_jobs(printed: str) -> dict[str, Details]:
    """Return what condor_q or condor_history says about jobs, by name."""
    found = {}
    for line in printed.splitlines():
        fields = line.split(maxsplit=len(FIELDS))
        job = job_name(fields[0]) if len(fields) >= len(FIELDS) else None
        if job is None:
            continue
        status, by_signal, signal, code, hold = fields[1 : len(FIELDS)]
        reason = fields[len(FIELDS)] if len(fields) > len(FIELDS) else ""
        end = None
        if status == COMPLETED:
            end = _completed(by_signal, signal, code)
        elif status == REMOVED:
            end = _held(hold, reason) if hold in MEMORY_HOLDS | TIME_HOLDS else CANCELLED
        elif status == HELD:
            end = _held(hold, reason)
        found[job] = Details(known=True, ended=status not in ALIVE, end=end)
    return found


def _completed(by_signal: str, signal: str, code: str) -> End:
    if by_signal == "true" and signal.isdigit():
        return systems.by_signal(int(signal))
    if code == "0":
        return SUCCESS
    if code.isdigit() and int(code) > 128:
        return systems.by_signal(int(code) - 128)
    return End(f"exit code {code}", FailureClass.UNKNOWN)


def _held(code: str, reason: str) -> End:
    if code in MEMORY_HOLDS or re.search(r"\bmemory\b", reason, re.IGNORECASE):
        return OVER_MEMORY
    if code in TIME_HOLDS or re.search(r"duration|runtime|wall ?time", reason, re.IGNORECASE):
        return OVER_TIME
    said = " ".join(reason.split()) or f"HoldReasonCode {code}"
    return End(f"held by the batch system: {said}", FailureClass.TRANSIENT)


def _states(printed: str) -> list[tuple[str, str]]:
    """Return name and JobStatus of the jobs in lines that begin with both."""
    rows = [line.split() for line in printed.splitlines()]
    found = [(job_name(row[0]), row[1]) for row in rows if len(row) > 1]
    return [(job, status) for job, status in found if job is not None]


def _line(answer: Answer) -> str:
    return " ".join(answer.text.split())[:300] or f"exit code {answer.code} without output"
