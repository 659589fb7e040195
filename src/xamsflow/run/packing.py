"""The choice of short runs that share a batch job.

A batch job waits in the queue, starts Snakemake and imports strax. Together, this takes longer than
processing a short run. Runs that are expected to be short therefore share batch jobs. Within a
batch job, each job of a run is a separate process, and runs are processed one after the other.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xamsflow.base.errors import XamsflowError
from xamsflow.batch import request, submissions
from xamsflow.redax import rundoc
from xamsflow.state import layout, receipts

TOGETHER_S = 300.0
"""Expected processing time of the runs in a batch job: much longer than its start-up, but short
enough to start soon, and to lose little if the batch job is killed."""
MOST_RUNS = 50
"""Maximum number of runs in a batch job."""
LEARN_FROM = 20
"""Number of processed runs, newest first, from which the speed is estimated."""
UNKNOWN_SPEED = 0.3
"""Processing time per length of the run if no runs have been processed: a dense run on a slow node.
"""
BESIDE_S = 1.0
"""Expected time of a run outside strax."""
SLACK = 3
"""The ratio of the requested time to the expected time."""


@dataclass(frozen=True)
class Packed:
    """A run that shares a batch job: the job's name, and how long the run is expected to take."""

    pack: str
    expected_s: float

    @property
    def minutes(self) -> int:
        """The wall time to request for the longest of its jobs."""
        return max(1, math.ceil(SLACK * self.expected_s / 60))


def pack(lengths_s: Mapping[str, float], speed: float) -> dict[str, Packed]:
    """Return those of the runs with these lengths that share batch jobs, in the order of the runs.

    `speed` is the processing time per length of the run. A run that takes a large part of a batch
    job's time, or would be alone in one, is left out.
    """
    packs: list[dict[str, float]] = [{}]
    for run, length_s in lengths_s.items():
        expected_s = BESIDE_S + speed * length_s
        if expected_s > TOGETHER_S / 2:
            continue
        if sum(packs[-1].values()) + expected_s > TOGETHER_S or len(packs[-1]) == MOST_RUNS:
            packs.append({})
        packs[-1][run] = expected_s
    return {
        run: Packed(f"runs-{next(iter(together))}", expected_s)
        for together in packs
        if len(together) > 1
        for run, expected_s in together.items()
    }


def left_together(lengths_s: Mapping[str, float], speed: float) -> dict[str, Packed]:
    """Return the runs of a dead driver that continue to share batch jobs.

    Their batch job may still be running, and is kept if it is requested again (`batch.submit`).
    """
    by_submission: dict[Path, list[str]] = {}
    for run in lengths_s:
        submission = submissions.newest(request.target("publish", {"run_id": run}))
        if submission is not None:
            by_submission.setdefault(submission.folder, []).append(run)
    return {
        run: Packed(f"runs-{together[0]}", BESIDE_S + speed * lengths_s[run])
        for together in by_submission.values()
        if len(together) > 1
        for run in together
    }


def learn() -> float:
    """Return the median time to process a run here, per length of the run, based on receipts."""
    speeds = receipts.learn_from_newest_runs(_speed, LEARN_FROM)
    return statistics.median(speeds) if speeds else UNKNOWN_SPEED


def _speed(run_id: str) -> float | None:
    """Return the time taken to transfer and process a run, per length of the run."""
    try:
        transferred = receipts.read(layout.transfer_receipt(run_id))
        run = rundoc.parse(rundoc.from_json(transferred["run_document"]))
        made = [receipts.read(path) for path in layout.receipts_of_data_types(run_id)]
        work_s = [one["wall_time_s"] for one in made if one["already_stored"] is False]
        if run.end is None or run.end <= run.start or not work_s:
            return None
        together_s = sum(work_s) + transferred.get("duration_s", 0.0)
        return float(together_s / ((run.end - run.start) / 1e9))
    except (OSError, XamsflowError, KeyError, TypeError, ValueError):
        return None  # unreadable files are ignored
