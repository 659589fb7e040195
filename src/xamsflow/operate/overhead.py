"""The time per run that is not spent in its jobs: Snakemake's own work, the start of batch jobs.

For short runs, this is most of the time, so the projected end must include it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xamsflow.base import usage
from xamsflow.state import layout

LEARN_FROM = 200
"""Maximum number of runs, last published first, on which the estimate is based."""

PAUSE_S = 5.0
"""Maximum time without any job after which the next job still belongs to the same period."""

RUNS_PER_PLACE = 3
"""Minimum number of runs per place for a period to be used."""


@dataclass(frozen=True)
class JobTime:
    """When a job of a run started and ended, in s since 1970."""

    run: str
    start: float
    end: float


def per_run_s(jobs: Iterable[JobTime]) -> float:
    """Return the overhead of a run in s; 0 if not enough runs were processed one after the other.

    A period is a time without long pauses between jobs. The largest number of jobs at the same time
    is the number of places; any time that these places do not spend on jobs is overhead.
    """
    total_s, n_runs = 0.0, 0
    for period in _periods(jobs):
        start, end = (np.sort([getattr(job, at) for job in period]) for at in ("start", "end"))
        places = int(np.max(np.arange(1, len(start) + 1) - np.searchsorted(end, start, "right")))
        runs = len({job.run for job in period})
        if runs >= RUNS_PER_PLACE * places:
            total_s += float(places * (end[-1] - start[0]) - np.sum(end - start))
            n_runs += runs
    return total_s / n_runs if n_runs else 0.0


def _periods(jobs: Iterable[JobTime]) -> Iterator[list[JobTime]]:
    period: list[JobTime] = []
    end = -np.inf
    for job in sorted(jobs, key=lambda job: job.start):
        if period and job.start > end + PAUSE_S:
            yield period
            period = []
        period.append(job)
        end = max(end, job.end)
    if period:
        yield period


def recent_jobs() -> list[JobTime]:
    """Return when the jobs of the runs published last in this directory started and ended."""
    return [job for run in _published_last() for job in _jobs(run)]


def _published_last() -> list[str]:
    folder = Path(layout.PUBLISH_BENCHMARK).parent
    try:
        with os.scandir(folder) as entries:
            published = [(entry.stat().st_mtime, entry.name) for entry in entries]
    except OSError:
        return []
    return [Path(name).stem for _, name in sorted(published, reverse=True)[:LEARN_FROM]]


def _jobs(run: str) -> list[JobTime]:
    """Return the jobs that led to the last publication of a run, without any earlier ones."""
    made = [path.stem for path in layout.receipts_of_data_types(run)]
    found = []
    for file in (
        layout.TRANSFER_BENCHMARK.format(run_id=run),
        *(layout.PROCESS_BENCHMARK.format(run_id=run, data_type=name) for name in made),
        layout.PUBLISH_BENCHMARK.format(run_id=run),
    ):
        used = usage.read(Path(file))
        if used is not None:
            end = Path(file).stat().st_mtime
            found.append(JobTime(run, end - used.wall_s, end))
    *_, last = _periods(found)
    return last
