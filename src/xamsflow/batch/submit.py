"""submit: submit a job script to the batch system and print the batch job's name.

If an earlier driver's job with the same targets is still alive, its name is printed and nothing is
submitted. If an earlier job ran out of memory or time, the new one requests more. While the batch
system does not respond, submission is retried after growing pauses; while it is full, without
limit.
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xamsflow.base import growth
from xamsflow.base.errors import FailureClass
from xamsflow.batch import job_end, poll, queues, request, submissions, systems
from xamsflow.batch.queues import Site
from xamsflow.batch.request import Request
from xamsflow.batch.submissions import Submission
from xamsflow.batch.systems import (
    OVER_TIME,
    BatchSystem,
    End,
    LimitReached,
    NotHere,
    QueueClosed,
    QueueRefused,
    Rejected,
    Unreachable,
)

LOGS = Path("logs") / "batch"
IN_BATCH_JOB = "--keep-going --resources turn=1"
"""Options for the Snakemake inside each batch job, which reads no profile.

A failed run must not hold up the others. Workflow jobs run one at a time, because the batch job
requests no more.
"""
PATIENCE_S = 900.0
"""How long to retry while the batch system does not respond."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class _Interrupted(BaseException):
    """The driver was stopped."""


def main(system_name: str, table: str, job_script: str) -> int:
    """Submit a job script; exit code 0 if the batch job's name was printed."""
    system = systems.named(system_name)
    text = Path(job_script).read_text(encoding="utf-8")
    try:
        wanted = request.read(text)
        site = queues.read(Path(table))
    except ValueError as error:
        say(f"not submitted: {error}")
        return 1
    driver = submissions.calling_driver()
    earlier = submissions.newest_of_all(wanted.targets)
    if earlier is not None and _is_running(earlier):
        earlier.set_about(driver=driver)
        say(f"keeping batch job {earlier.job} of an earlier driver, which has the same targets")
        print(earlier.job)
        return 0
    if earlier is not None:
        wanted = grown(wanted, earlier, job_end.judge(earlier))
    submission = submissions.new(wanted)
    log = (LOGS / f"{submission.folder.name}.log").resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    submission.set_about(system=system_name, driver=driver, log=str(log))
    submission.script.write_text(with_marker(text, submission.marker, wanted), encoding="utf-8")
    submission.script.chmod(0o755)
    try:
        job = _persistently(system, site, wanted._replace(options=site.options), submission, log)
    except (Unreachable, LimitReached, QueueRefused, Rejected) as error:
        return _refused(submission, _refusal(error, table))
    except _Interrupted:
        return 130
    print(job)
    return 0


def grown(wanted: Request, earlier: Submission, end: End | None) -> Request:
    """Return the request with more memory or time if an earlier submission ran out of it.

    What several runs lacked together says nothing about each of them. Fewer jobs of the same run
    are submitted again if the others are done.
    """
    about = earlier.about
    n_runs = _processed(about.get("members", []))
    if n_runs > 1 and n_runs != _processed(wanted.members):
        return wanted
    memory, runtime = about.get("memory_mb"), about.get("runtime_min")
    if end == OVER_TIME and runtime is not None and wanted.runtime_min is not None:
        wanted = wanted._replace(runtime_min=max(wanted.runtime_min, growth.grown(runtime)))
        say(f"{earlier.job} ran out of time: now requesting {wanted.runtime_min} min")
    elif (
        end is not None
        and end.failure == FailureClass.RESOURCES
        and memory is not None
        and wanted.memory_mb is not None
    ):
        wanted = wanted._replace(memory_mb=max(wanted.memory_mb, growth.grown(memory)))
        say(f"{earlier.job}: {end.reason}: now requesting {wanted.memory_mb} MB")
    return wanted


def with_marker(script: str, marker: Path, wanted: Request) -> str:
    """Return the job script, completed with the details of its submission.

    Node daemons of TORQUE and OpenPBS start jobs with umask 077, which would make all files of a
    job inaccessible to the submitter's group.
    """
    umask = os.umask(0)
    os.umask(umask)
    filled = (
        f"\nmarker={shlex.quote(str(marker))}\numask {umask:04o}\n"
        f"export {request.PROCESSED}={_processed(wanted.members)}\n"
    )
    script = script.replace(f" {request.TARGETS} ", f" {IN_BATCH_JOB} {request.TARGETS} ", 1)
    return script.replace("\nmarker=\n", filled, 1)


def _processed(members: Iterable[Sequence[Any]]) -> int:
    return sum(rule == "process" for rule, _ in members)


def _is_running(submission: Submission) -> bool:
    """Return whether a submission's job is alive and has not been canceled."""
    return (
        submission.job is not None
        and submission.exit_code is None
        and submission.end is None
        and poll.is_alive(str(submission.about.get("system")), submission.job)
        and submission.exit_code is None
    )


def _persistently(
    system: BatchSystem, site: Site, wanted: Request, submission: Submission, log: Path
) -> str:
    """Return the batch job's name once the batch system has taken the job."""
    pause = FIRST_PAUSE_S
    give_up = time.monotonic() + PATIENCE_S
    with _Stop() as stop:
        while True:
            try:
                job = _to_some_queue(system, site, wanted, submission, log)
            except LimitReached as error:
                say(f"waiting until the batch system accepts more jobs: {error}")
                give_up = time.monotonic() + PATIENCE_S
                pause = LONGEST_PAUSE_S
            except NotHere:
                raise
            except Unreachable as error:
                if time.monotonic() + pause > give_up:
                    raise
                say(f"trying again in {pause:g} s: {error}")
            else:
                submission.set_job(job)
                if stop.asked:
                    system.cancel([job])
                    raise _Interrupted
                return job
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def _to_some_queue(
    system: BatchSystem, site: Site, wanted: Request, submission: Submission, log: Path
) -> str:
    """Submit to the first queue that accepts the job.

    If none does, raises the error of a queue that is temporarily closed, else the last error.
    """
    refusals: list[QueueRefused] = []
    for queue in queues.candidates(site.queues, wanted):
        fitting = queues.within(wanted, queue)
        if fitting.runtime_min != wanted.runtime_min:
            say(f"requested {wanted.runtime_min} min, but the limit is {fitting.runtime_min} min")
        try:
            return system.submit(fitting, queue and queue.name, submission.script, log)
        except QueueRefused as error:
            say(f"queue {queue and queue.name} does not accept this job: {error}")
            refusals.append(error)
    raise next((error for error in refusals if isinstance(error, QueueClosed)), refusals[-1])


def _refusal(error: Exception, table: str) -> End:
    """Return the end of a submission that was abandoned because of an error."""
    if isinstance(error, NotHere):
        return End(f"{error}: choose another profile or host", FailureClass.CONFIGURATION)
    if isinstance(error, Unreachable | LimitReached | QueueClosed):
        return End(f"the batch system does not accept the job: {error}", FailureClass.TRANSIENT)
    return End(
        f"the batch system rejects the job: {error}; see {table} and the rule's resources",
        FailureClass.CONFIGURATION,
    )


def _refused(submission: Submission, end: End) -> int:
    submission.set_end(end)
    say(f"not submitted: {end.reason}")
    return 1


class _Stop:
    """A request to stop the driver, obeyed between two attempts to submit but not within one."""

    def __init__(self) -> None:
        self.asked = False
        self._pausing = False

    def __enter__(self) -> "_Stop":
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def wait(self, seconds: float) -> None:
        """Pause; raises _Interrupted if the driver is stopped."""
        self._pausing = True
        if self.asked:
            raise _Interrupted
        time.sleep(seconds)
        self._pausing = False

    def _ask(self, *_: object) -> None:
        self.asked = True
        if self._pausing:
            raise _Interrupted


def say(line: str) -> None:
    """Print a message at the driver's terminal; standard output is reserved for Snakemake."""
    print(f"xamsflow: {line}", file=sys.stderr, flush=True)
