"""The time of a driver that is not spent in jobs: its start, Snakemake's work, batch jobs' starts.

For short runs, this is most of the time, so the projected end of a campaign must include it. A
driver that has processed several runs in turn records what it took.
"""

import math
import statistics
import time
from bisect import bisect_right
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from xamsflow.base import usage
from xamsflow.base.errors import XamsflowError
from xamsflow.state import layout, receipts

LEARN_FROM = 20
"""Number of newest drivers on which the estimate is based."""

RUNS_PER_PLACE = 3
"""Minimum number of runs per place for what a driver took to be written down."""


MUCH_LONGER = 4
"""How many times more runs a driver needs for a comparison to show what each run adds."""


@dataclass(frozen=True)
class Took:
    """What a driver took from its start to the end of its last job, and the sum of all jobs, in s.

    `places` is the largest number of jobs at the same time. A batch system's delay in reporting the
    end of the last job does not count, because its run is already done.
    """

    runs: float
    places: float
    wall_s: float
    busy_s: float

    @property
    def runs_in_turn(self) -> float:
        """The number of runs that each place processed."""
        return self.runs / self.places

    @property
    def idle_s(self) -> float:
        """The time that each place did not spend on jobs."""
        return max(0.0, self.wall_s - self.busy_s / self.places)


class Stopwatch:
    """Measures what this driver takes."""

    def __init__(self) -> None:
        self._began = time.time()  # compared with the times of files
        self._before: dict[Path, float] = {}
        """When the file with the usage of each job was written by an earlier one."""
        self._published: set[str] = set()

    def job_started(self, log: Path) -> None:
        """Record that the job with this log starts."""
        file = layout.usage(log)
        self._before.setdefault(file, _written(file))

    def published(self, run: str) -> None:
        """Record that a run is done."""
        self._published.add(run)

    def write(self, owner: str) -> None:
        """Write down what the driver has taken, if it has processed several runs in turn."""
        jobs = [
            job
            for file, before in self._before.items()
            if (job := _job(file)) is not None
            # A short job may have ended before its start was noticed.
            and (job[1] != before or job[1] > self._began)
        ]
        if not jobs:
            return
        starts, ends = (sorted(times) for times in zip(*jobs, strict=True))
        places = max(n - bisect_right(ends, start) for n, start in enumerate(starts, start=1))
        if len(self._published) < RUNS_PER_PLACE * places:
            return
        took = Took(
            runs=len(self._published),
            places=places,
            wall_s=round(max(0.0, min(ends[-1], time.time()) - self._began), 3),
            busy_s=round(sum(ends) - sum(starts), 3),
        )
        with suppress(XamsflowError):  # only forecasts use it
            receipts.write(layout.driver_usage(owner), asdict(took), durable=False)


def _job(file: Path) -> tuple[float, float] | None:
    """Return when the job that wrote this file started and ended, in s; None without a file."""
    used = usage.read(file)
    if used is None:
        return None
    end = _written(file)
    return end - used.wall_s, end


def _written(file: Path) -> float:
    """Return when a file was written, in s since 1970; 0 without a file or if that is unknown."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def expected_s(runs_in_turn: float) -> float:
    """Return the expected overhead in s of a driver that processes this many runs per place.

    Of the newest drivers, short ones show the fixed overhead, such as a batch system's delays, and
    the longest one shows the overhead per run. It is 0 if no driver is known.
    """
    known = learn()
    if not known:
        return 0.0
    longest = max(known, key=lambda took: took.runs_in_turn)
    ratio = runs_in_turn / longest.runs_in_turn
    short = [one.idle_s for one in known if one.runs_in_turn <= longest.runs_in_turn / MUCH_LONGER]
    if not short:
        return longest.idle_s * min(1.0, ratio)
    any_s = min(statistics.median(short), longest.idle_s)
    return any_s + ratio * (longest.idle_s - any_s)


def learn() -> list[Took]:
    """Return what the newest drivers in this directory took."""
    files = layout.driver_usage("*").parent.glob("*.json")
    found = []
    for path in sorted(files, key=_written, reverse=True)[:LEARN_FROM]:
        with suppress(OverflowError, TypeError, ValueError):  # an unusual file
            read = receipts.read_or_empty(path).items()
            found.append(Took(**{name: float(value) for name, value in read}))
    return [one for one in found if all(0 < number < math.inf for number in astuple(one))]
