"""One query for all jobs, shared by all processes that need the status of a job.

A job counts as alive from its submission until a query does not list it. Its end is then looked up
once and kept. If the batch system does not answer, nothing changes.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xamsflow.base import process
from xamsflow.batch import submissions
from xamsflow.batch.systems import FORGOTTEN, WITHOUT_EXIT_CODE, BatchSystem, Unreachable

INTERVAL_S = float(os.environ.get("XAMSFLOW_BATCH_INTERVAL_S", "15"))
"""Minimum time between two queries."""
GRACE_S = float(os.environ.get("XAMSFLOW_BATCH_GRACE_S", "20"))
"""How long to wait for the exit code of a job that has ended or been forgotten.

On NFS, files written by a node become visible late because of the attribute cache (acregmin 3 s,
up to acdirmax 60 s; new files in a folder that is listed again appear after acdirmin 30 s at most).
"""


def refresh(system: BatchSystem) -> None:
    """Query the batch system for the jobs that are alive, unless that has just been done."""
    with _alone() as alone:
        if not alone or is_fresh():
            return
        if submissions.waiting():
            try:
                _compare(system)
            except Unreachable as error:
                print(f"xamsflow: the batch system does not answer: {error}", file=sys.stderr)
        _set_fresh()


def is_fresh() -> bool:
    """Tell whether the last query is recent enough."""
    try:
        until, boot = (submissions.FOLDER / "fresh").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ValueError):
        return False
    return boot == process.boot() and _uptime() < float(until)


def is_alive(job: str, system: BatchSystem) -> bool:
    """Tell whether the batch system has a job, querying it if the last query is too old."""
    if not is_fresh():
        refresh(system)
    return submissions.is_waiting(job)


def _compare(system: BatchSystem) -> None:
    alive = system.alive()
    gone = {}
    for number in submissions.waiting():
        submission = submissions.of_job(number)
        if number in alive:
            submission.found()
        elif submission.exit_code is not None:
            submissions.set_waiting(number, False)
        else:
            gone[number] = submission
    if not gone:
        return
    told = system.details([submission.job or number for number, submission in gone.items()])
    for number, submission in gone.items():
        details = told.get(number)
        if details is None or (details.known and not details.ended):
            continue  # not listed yet, or no details available
        end = details.end
        if end is not None and (end.failure is not None or submission.job is None):
            submission.set_end(end)
        elif submission.missing_s() <= GRACE_S:
            continue
        elif submission.exit_code is None:
            # A job of ours that ended well has left its exit code. If a node's daemon was
            # restarted, it is no longer the job's parent and reports 0 however the job ended.
            submission.set_end(FORGOTTEN if end is None else WITHOUT_EXIT_CODE)
        submissions.set_waiting(number, False)


@contextmanager
def _alone() -> Iterator[bool]:
    """Tell whether this process may query; if another one is querying, do not wait for it."""
    submissions.FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(submissions.FOLDER / "lock", os.O_RDWR | os.O_CREAT, 0o664)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks; an extra query is harmless
            pass
        yield True
    finally:
        os.close(descriptor)


def _set_fresh() -> None:
    path = submissions.FOLDER / "fresh"
    fresh = path.with_name(f"fresh.{os.getpid()}.new")
    fresh.write_text(f"{int(_uptime() + INTERVAL_S)} {process.boot()}\n", encoding="utf-8")
    fresh.replace(path)


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
