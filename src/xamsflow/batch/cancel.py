"""cancel: cancel batch jobs.

Snakemake kills this program after 2 s and then forgets its jobs. The work is therefore done by a
separate process, which keeps retrying while the batch system is unreachable.
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
    """Cancel batch jobs, and all other jobs that the same driver has submitted.

    Snakemake does not list jobs whose status it is just querying.
    """
    driver = submissions.calling_driver()
    wanted = [submissions.of_job(system_name, job) for job in jobs]
    wanted += submissions.of_driver(driver)
    strangers = [job for job in jobs if submissions.of_job(system_name, job).job is None]
    _in_background(system_name, [*_cancelled(wanted), *strangers])
    return 0


def remaining_jobs() -> list[str]:
    """Cancel the unfinished batch jobs of this process, a driver, and return them.

    Snakemake itself skips jobs whose status it is querying when it is interrupted. The current
    folder must be the working directory.
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
    """Mark submissions as canceled, so that no later driver adopts them; return their jobs."""
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
    """Detach from the driver's terminal and pipes; otherwise the driver would wait for them."""
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
