"""One query for all jobs, shared by all processes that need the status of a job.

A job counts as alive from its submission until a query does not list it. Its end is then looked up
once and kept. If the batch system does not respond, nothing changes.
"""

import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xamsflow.base import process
from xamsflow.batch import submissions, systems
from xamsflow.batch.systems import FORGOTTEN, WITHOUT_EXIT_CODE, Unreachable

INTERVAL_S = float(os.environ.get("XAMSFLOW_BATCH_INTERVAL_S", "15"))
"""Minimum time between two queries."""
GRACE_S = float(os.environ.get("XAMSFLOW_BATCH_GRACE_S", "20"))
"""How long to wait for the exit code of a job that has ended or been forgotten.

On NFS, files written by a node become visible late because of the attribute cache (acregmin 3 s,
up to acdirmax 60 s; new files in a folder that is listed again appear after acdirmin 30 s at most).
"""


def refresh(system: str) -> None:
    """Query a batch system for the jobs that are alive, unless that has just been done."""
    with _alone() as alone:
        if not alone or is_fresh(system):
            return
        if jobs := [job for where, job in submissions.waiting() if where == system]:
            try:
                _compare(system, jobs)
            except Unreachable as error:
                print(f"xamsflow: the batch system does not respond: {error}", file=sys.stderr)
        _set_fresh(system)


def is_fresh(system: str) -> bool:
    """Return whether the last query is recent enough."""
    try:
        until, boot = _fresh(system).read_text(encoding="utf-8").split()
    except (FileNotFoundError, ValueError):
        return False
    return boot == process.boot() and _uptime() < float(until)


def is_alive(system: str, job: str) -> bool:
    """Return whether the batch system has a job, querying it if the last query is too old."""
    if not is_fresh(system):
        refresh(system)
    return submissions.is_waiting(system, job)


def _compare(name: str, jobs: Sequence[str]) -> None:
    system = systems.named(name)
    alive = submissions.matched(jobs, dict.fromkeys(system.alive()))
    gone = {}
    for job in jobs:
        submission = submissions.of_job(name, job)
        if job in alive:
            submission.found()
        elif submission.exit_code is not None:
            submissions.set_waiting(name, job, False)
        else:
            gone[job] = submission
    if not gone:
        return
    told = system.details([*gone])
    for job, submission in gone.items():
        details = told.get(job)
        if details is None or (details.known and not details.ended):
            continue  # not listed yet, or no details available
        end = details.end
        if end is not None and (end.failure is not None or submission.job is None):
            submission.set_end(end)
        elif submission.missing_s() <= GRACE_S:
            continue
        elif submission.exit_code is None:
            # A successful job of ours has left its exit code. If a node's daemon was
            # restarted, it is no longer the job's parent and reports 0 however the job ended.
            submission.set_end(FORGOTTEN if end is None else WITHOUT_EXIT_CODE)
        submissions.set_waiting(name, job, False)


@contextmanager
def _alone() -> Iterator[bool]:
    """Return whether this process may query; if another one is querying, do not wait for it."""
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


def _fresh(system: str) -> Path:
    return submissions.FOLDER / "queried" / system


def _set_fresh(system: str) -> None:
    path = _fresh(system)
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f"{system}.{os.getpid()}.new")
    fresh.write_text(f"{int(_uptime() + INTERVAL_S)} {process.boot()}\n", encoding="utf-8")
    fresh.replace(path)


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
