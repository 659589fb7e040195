"""The time of a driver that is not spent in jobs: its start, Snakemake's work, batch jobs' starts.

For short runs, this is most of the time, so the projected end of a campaign must include it. Each
driver writes down what it took.
"""

import statistics
import time
from bisect import bisect_right
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from xamsflow.base import usage
from xamsflow.base.errors import XamsflowError
from xamsflow.state import layout, receipts

LEARN_FROM = 200
"""Number of runs on which the estimate is based, from the newest drivers."""

RUNS_PER_PLACE = 3
"""Minimum number of runs per place for what a driver took to be written down."""


@dataclass(frozen=True)
class Overhead:
    """The time in s before the first job, and for each run in addition to its jobs."""

    start_s: float = 0.0
    per_run_s: float = 0.0


@dataclass(frozen=True)
class Took:
    """What a driver took in s: before its first job, from then on, and the sum of its jobs' times.

    `places` is the largest number of jobs at the same time.
    """

    runs: float
    places: float
    start_s: float
    wall_s: float
    busy_s: float


class Stopwatch:
    """Measures what this driver takes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first_job: float | None = None
        self._logs: set[Path] = set()
        self._published: set[str] = set()

    def job_started(self, log: Path) -> None:
        """Record that the job with this log starts."""
        if self._first_job is None:
            self._first_job = time.monotonic()
        self._logs.add(log)

    def published(self, run: str) -> None:
        """Record that a run is done."""
        self._published.add(run)

    def write(self, owner: str) -> None:
        """Write down what the driver has taken, if it has processed several runs in turn."""
        jobs = [job for log in self._logs if (job := _job(layout.usage(log))) is not None]
        if not jobs or self._first_job is None:
            return
        starts, ends = (sorted(times) for times in zip(*jobs, strict=True))
        places = max(n - bisect_right(ends, start) for n, start in enumerate(starts, start=1))
        if len(self._published) < RUNS_PER_PLACE * places:
            return
        took = Took(
            runs=len(self._published),
            places=places,
            start_s=round(self._first_job - self._began, 3),
            wall_s=round(time.monotonic() - self._first_job, 3),
            busy_s=round(sum(ends) - sum(starts), 3),
        )
        with suppress(XamsflowError):  # nobody misses it
            receipts.write(layout.driver_usage(owner), asdict(took), durable=False)


def _job(file: Path) -> tuple[float, float] | None:
    """Return when the job that wrote this file started and ended, in s; None without a file."""
    used = usage.read(file)
    if used is None:
        return None
    end = file.stat().st_mtime
    return end - used.wall_s, end


def learn() -> Overhead:
    """Return the overhead of the newest drivers in this directory."""
    found: list[Took] = []
    files = layout.driver_usage("*").parent.glob("*.json")
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(TypeError, ValueError):  # an unusual file
            read = receipts.read_or_empty(path).items()
            found.append(Took(**{name: float(value) for name, value in read}))
        if sum(one.runs for one in found) >= LEARN_FROM:
            break
    if not found:
        return Overhead()
    idle_s = sum(one.places * one.wall_s - one.busy_s for one in found)
    return Overhead(
        start_s=statistics.median(one.start_s for one in found),
        per_run_s=max(0.0, idle_s) / sum(one.runs for one in found),
    )
