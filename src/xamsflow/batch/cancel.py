"""cancel: end batch jobs.

Snakemake kills this program after 2 s and then forgets its jobs, so the work is done by a
process of its own, which also waits for a batch system that is away.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from xamsflow.batch import submissions, systems
from xamsflow.batch.submissions import Submission
from xamsflow.batch.systems import CANCELLED, Unreachable

PATIENCE_S = 300.0
PAUSE_S = 5.0


def main(system_name: str, *jobs: str) -> int:
    """Cancel batch jobs, and all others that the same driver has submitted.

    Snakemake leaves out those whose status it asks for at that moment.
    """
    driver = submissions.calling_driver()
    wanted = [submissions.of_job(job) for job in jobs]
    wanted += submissions.of_driver(driver)
    strangers = [job for job in jobs if submissions.of_job(job).job is None]
    _in_background(system_name, [*_cancelled(wanted), *strangers])
    return 0


def remaining_jobs() -> list[str]:
    """Cancel what this process, a driver, has submitted and not seen ending; return the jobs.

    Snakemake itself leaves out those whose status it asks for when it is interrupted. The current
    folder must be the workflow's.
    """
    jobs: dict[str, list[str]] = {}
    for submission in submissions.of_driver(submissions.this_driver()):
        if submission.job is not None and submission.end is None:
            jobs.setdefault(str(submission.about.get("system")), []).append(submission.job)
    program = str(Path(__file__).with_name("__main__.py"))
    for system_name, left in jobs.items():
        command = [sys.executable, "-I", "-S", program, system_name, "cancel", *left]
        subprocess.run(command, stdin=subprocess.DEVNULL, start_new_session=True, check=False)
    return [job for left in jobs.values() for job in left]


def _cancelled(wanted: Sequence[Submission]) -> list[str]:
    """Mark submissions as cancelled, so that no later start takes them up; return their jobs."""
    jobs = []
    for submission in wanted:
        ended = submission.exit_code is not None or submission.end is not None
        if submission.job is not None and not ended:
            submission.set_end(CANCELLED)
            jobs.append(submission.job)
    return jobs


def _in_background(system_name: str, jobs: Sequence[str]) -> None:
    if jobs and os.fork() == 0:
        try:
            os.setsid()
            _detach(submissions.FOLDER / "cancel.log")
            _persistently(system_name, jobs)
        finally:
            os._exit(0)


def _detach(log: Path) -> None:
    """Let go of the driver's terminal and pipes, for which it would wait."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    kept = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o664)
    os.dup2(nothing, 0)
    os.dup2(kept, 1)
    os.dup2(kept, 2)


def _persistently(system_name: str, jobs: Sequence[str]) -> None:
    system = systems.named(system_name)
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            system.cancel(jobs)
        except Unreachable as error:
            print(f"{' '.join(jobs)}: {error}", file=sys.stderr, flush=True)
            time.sleep(PAUSE_S)
        else:
            return
