"""The files through which submit, status, the jobs and the driver communicate.

All are in ``.snakemake/batch`` of the working directory, visible to the driver's host and all
nodes::

    submissions/<name>.<n>/   one folder per submission
        request.json          the requested resources, and details of the submission
        script                the job script
        job                   the batch system's name for the job
        exit                  "<exit code> <node>", written by the job when it ends
        end.json              how the job ended according to the batch system, or why it was refused
        said.json             why the job failed according to one of its workflow jobs
        missing               since when the batch system has not known the job
    jobs/<system>/<job>       a link to the submission of a batch job
    targets/<rule:wildcards>  the name of the newest submission of a workflow job
    waiting/<system>/<job>    exists while the batch system lists the job as alive
    fresh/<system>            how long that list is valid: seconds of uptime, and the boot

``profiles/common/status.sh`` also reads jobs/, waiting/ and fresh.
"""

import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from xamsflow.base import process
from xamsflow.base.errors import FailureClass
from xamsflow.batch.request import Request
from xamsflow.batch.systems import End

FOLDER = Path(".snakemake") / "batch"

JOB_NAME = re.compile(r"\d+(?:\[\d*\])?(?:\.[\w.@-]+)?")
"""A number and, after a dot, the server that assigned it: servers count independently.

Torque and OpenPBS print 17669259.burrell.nikhef.nl, arrays 25[].vm; Slurm has a bare number; for
HTCondor, the server is the schedd.
"""

_T = TypeVar("_T")


def number(job: str) -> str:
    """Return a batch job's number, which is unique only on its server.

    Raises ValueError if `job` is not the name of a batch job.
    """
    if not JOB_NAME.fullmatch(job):
        raise ValueError(f"{job!r} is not a batch job")
    return job.partition(".")[0]


def server(job: str) -> str:
    """Return the server of a batch job, empty if its name does not say."""
    return job.partition(".")[2]


def matched(jobs: Sequence[str], listed: Mapping[str, _T]) -> dict[str, _T]:
    """Return what is listed for each of these jobs; those that are not listed are left out.

    A list may cut names off or omit the server. Names of other servers' jobs do not match.
    """
    by_number: dict[str, list[tuple[str, _T]]] = {}
    for name, about in listed.items():
        if JOB_NAME.fullmatch(name):
            by_number.setdefault(number(name), []).append((server(name), about))
    return {
        job: about
        for job in jobs
        for where, about in by_number.get(number(job), ())
        if where.startswith(server(job)) or server(job).startswith(where)
    }


class Submission:
    """A job script that has been or will be submitted to the batch system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def script(self) -> Path:
        """The job script."""
        return self.folder / "script"

    @property
    def marker(self) -> Path:
        """The file to which the job writes its exit code."""
        return self.folder / "exit"

    @property
    def job(self) -> str | None:
        """The batch system's ID for the job, or None until the job is accepted."""
        return _text(self.folder / "job")

    @property
    def exit_code(self) -> int | None:
        """The exit code that the job wrote when it ended; 128 + N for signal N."""
        words = (_text(self.marker) or "").split()
        return int(words[0]) if words and words[0].isdigit() else None

    def exit_code_age_s(self) -> float:
        """Return how long ago the job wrote its exit code.

        Both times come from the file server, if there is one.
        """
        now = self.folder / f"now.{os.getpid()}"
        now.touch()
        try:
            return now.stat().st_mtime - self.marker.stat().st_mtime
        finally:
            now.unlink()

    @property
    def node(self) -> str | None:
        """The node on which the job ended, if the job recorded it."""
        words = (_text(self.marker) or "").split()
        return words[1] if len(words) > 1 else None

    @property
    def end(self) -> End | None:
        """How the job ended according to the batch system, or None if not known yet."""
        return _end(self.folder / "end.json")

    def set_end(self, end: End) -> None:
        """Record how the job ended according to the batch system."""
        _write_end(self.folder / "end.json", end)

    @property
    def said(self) -> End | None:
        """Why one of its workflow jobs failed, as that job reported; None if it did not report."""
        return _end(self.folder / "said.json")

    def set_said(self, end: End) -> None:
        """Record why one of its workflow jobs failed."""
        _write_end(self.folder / "said.json", end)

    @property
    def about(self) -> dict[str, Any]:
        """Details of the submission: system, log, driver, members, cores, memory_mb ..."""
        return _json(self.folder / "request.json") or {}

    def set_about(self, **about: Any) -> None:
        """Record more details of the submission."""
        _write(self.folder / "request.json", json.dumps({**self.about, **about}))

    def missing_s(self) -> float:
        """Return for how many seconds the job has been unknown; the first call starts the count."""
        path = self.folder / "missing"
        since = _text(path)
        if since is None:
            _write(path, f"{time.time()}")
            return 0.0
        return time.time() - float(since)

    def found(self) -> None:
        """Record that the batch system knows the job again."""
        (self.folder / "missing").unlink(missing_ok=True)

    def set_job(self, job: str) -> None:
        """Record the batch job's name, link it to this submission, and mark the job alive."""
        _write(self.folder / "job", job)
        system = str(self.about.get("system"))
        link = _link(system, job)
        link.parent.mkdir(parents=True, exist_ok=True)
        # A reinstalled batch system numbers its jobs from one again.
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(Path("..") / ".." / "submissions" / self.folder.name)
        fresh.replace(link)
        set_waiting(system, job, True)


def new(request: Request) -> Submission:
    """Create the folder of a new submission, and record it as the newest of its targets."""
    parent = FOLDER / "submissions"
    parent.mkdir(parents=True, exist_ok=True)
    attempt = 1
    while True:
        folder = parent / f"{request.name}.{attempt}"
        try:
            folder.mkdir()
            break
        except FileExistsError:
            attempt += 1
    submission = Submission(folder.resolve())
    submission.set_about(
        members=list(request.members),
        cores=request.cores,
        memory_mb=request.memory_mb,
        runtime_min=request.runtime_min,
    )
    for target in request.targets:
        path = _by_target(target)
        path.parent.mkdir(exist_ok=True)
        _write(path, folder.name)
    return submission


def newest(target: str) -> Submission | None:
    """Return the newest submission of a workflow job, or None if there is none."""
    name = _text(_by_target(target))
    folder = FOLDER / "submissions" / str(name)
    return Submission(folder.resolve()) if name and folder.is_dir() else None


def newest_of_all(targets: Sequence[str]) -> Submission | None:
    """Return the submission that is the newest for each of these jobs, or None if there is none."""
    found = [newest(target) for target in targets]
    folders = {one.folder if one else None for one in found}
    return found[0] if len(folders) == 1 else None


def of_job(system: str, job: str) -> Submission:
    """Return the submission of a batch job; for a job that is not ours, an empty one."""
    folder = _link(system, job)
    folder.mkdir(parents=True, exist_ok=True)
    return Submission(folder.resolve())


def _link(system: str, job: str) -> Path:
    number(job)  # raises: not a job
    return FOLDER / "jobs" / system / job


def waiting() -> list[tuple[str, str]]:
    """Return our jobs that their batch system had at the last query: system and job."""
    return [(path.parent.name, path.name) for path in (FOLDER / "waiting").glob("*/*")]


def is_waiting(system: str, job: str) -> bool:
    """Return whether the batch system had a job at the last query."""
    return (FOLDER / "waiting" / system / job).exists()


def set_waiting(system: str, job: str, alive: bool) -> None:
    """Record whether the batch system has a job."""
    path = FOLDER / "waiting" / system / job
    if alive:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    else:
        path.unlink(missing_ok=True)


def this_driver() -> str:
    """Return the name of this process, a driver."""
    return str(process.of(os.getpid()))


def calling_driver() -> str:
    """Return the driver that started this program, directly or through a shell."""
    caller = os.getppid()
    name, started_by = process.parent(caller)
    return str(process.of(started_by if name in ("sh", "dash", "bash") else caller))


def of_driver(name: str) -> Iterator[Submission]:
    """Return the submissions of jobs that may be alive and for which this driver is responsible."""
    for system, job in waiting():
        submission = of_job(system, job)
        if submission.exit_code is None and submission.about.get("driver") == name:
            yield submission


def _by_target(target: str) -> Path:
    name = re.sub(r"[/%]", "%", target)
    if len(name) > 200:  # file names are limited to 255 bytes
        name = f"{name[:180]}%{zlib.crc32(target.encode()):08x}"
    return FOLDER / "targets" / name


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _json(path: Path) -> dict[str, Any] | None:
    text = _text(path)
    if not text:
        return None
    try:
        left: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return left


def _end(path: Path) -> End | None:
    left = _json(path)
    if left is None:
        return None
    failure = left["failure"]
    return End(left["reason"], None if failure is None else FailureClass(failure))


def _write_end(path: Path, end: End) -> None:
    failure = end.failure and end.failure.value
    _write(path, json.dumps({"reason": end.reason, "failure": failure}))


def _write(path: Path, text: str) -> None:
    """Write a file atomically: readers see either the old or the new content."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(path)
