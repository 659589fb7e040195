"""The cost of reprocessing runs: data types, bytes, disk space, CPU and time.

The lineages of a run determine what has to be computed. The cost is estimated from the receipts of
runs processed here, and from their recorded resource usage.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from xamsflow.base import folders, usage
from xamsflow.run import overhead
from xamsflow.rundb import registered, run_document
from xamsflow.settings import detector as detectors
from xamsflow.settings.config import Config
from xamsflow.settings.detector import Detector
from xamsflow.state import layout, lineages, receipts

LEARN_FROM = 200
"""Maximum number of runs, newest first, on which the estimate is based."""

DIFFERENT = 0.05
"""The fraction of the usual size by which runs must differ to show how the cost grows with size."""

MB = 1e6

FIELDS = (*run_document.TOUCHED, "mode")
"""The fields of run documents that a forecast needs."""


@dataclass(frozen=True)
class Sample:
    """The cost of a processed run: bytes of live and stored data, CPU and wall time in s."""

    live: float
    stored: float
    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Cost:
    """The expected cost of a run: bytes, and CPU and wall time in s; None if unknown."""

    number: int
    to_make: tuple[str, ...]
    read: float | None
    written: float | None
    cpu_s: float | None
    wall_s: float | None


@dataclass(frozen=True)
class Forecast:
    """The expected cost of several runs.

    `up_to_date` are the runs for which nothing has to be computed. `unknown` counts those of
    `costs` whose cost cannot be estimated; sums leave them out. `jobs` is the number of runs
    processed at a time, `overhead_s` the time in s in addition to their jobs, `free` the free space
    in bytes where strax data are stored, and `learned_from` the number of runs on which the
    estimate is based.
    """

    costs: tuple[Cost, ...]
    up_to_date: tuple[int, ...]
    jobs: int
    overhead_s: float
    free: int
    learned_from: int

    @property
    def by_data_type(self) -> dict[str, int]:
        """The number of runs for which each data type is computed."""
        return dict(Counter(name for cost in self.costs for name in cost.to_make))

    @property
    def unknown(self) -> int:
        """The number of runs whose cost is unknown."""
        return sum(cost.cpu_s is None or cost.written is None for cost in self.costs)

    @property
    def read(self) -> float:
        """Bytes read."""
        return sum(cost.read or 0.0 for cost in self.costs)

    @property
    def written(self) -> float:
        """Bytes written; the same amount of disk space is needed, because stored data are kept."""
        return sum(cost.written or 0.0 for cost in self.costs)

    @property
    def cpu_s(self) -> float:
        """CPU time of all jobs in s."""
        return sum(cost.cpu_s or 0.0 for cost in self.costs)

    @property
    def wall_s(self) -> float:
        """Time in s from start to end if only these runs are processed."""
        walls = [cost.wall_s for cost in self.costs if cost.wall_s is not None]
        return self.overhead_s + max(sum(walls) / self.jobs, *walls) if walls else 0.0


@dataclass(frozen=True)
class Experience:
    """Samples, grouped by the set of data types that were made."""

    samples: Mapping[frozenset[str], Sequence[Sample]] = field(default_factory=dict)

    def of(self, to_make: Iterable[str]) -> Sequence[Sample]:
        """Return the samples with the same data types, or else with the fewest extra ones."""
        wanted = frozenset(to_make)
        larger = [made for made in self.samples if made >= wanted]
        return self.samples[min(larger, key=len)] if larger else ()

    def n_runs_like(self, wanted: Iterable[Sequence[str]]) -> int:
        """Return the number of runs on which the estimated cost of these data types is based."""
        used = {id(samples): len(samples) for names in wanted if (samples := self.of(names))}
        return sum(used.values())


def forecast(
    documents: Iterable[Mapping[str, Any]],
    settings: Config,
    targets: Sequence[str],
    jobs: int,
) -> Forecast:
    """Return the expected cost of reprocessing runs; empty `targets` means those of the settings.

    The documents must contain at least FIELDS. Raises ConfigurationError for an unknown target.
    """
    experience, needs = learn(), Needs(settings, targets)
    costs, up_to_date = [], []
    for document in documents:
        to_make = needs.to_make(document)
        if to_make:
            costs.append(cost(document, to_make, experience, settings.storage.host))
        else:
            up_to_date.append(document["number"])
    return Forecast(
        costs=tuple(costs),
        up_to_date=tuple(up_to_date),
        jobs=jobs,
        overhead_s=overhead.expected_s(len(costs) / jobs),
        free=shutil.disk_usage(folders.existing(settings.storage.processed)).free,
        learned_from=experience.n_runs_like({cost.to_make for cost in costs}),
    )


class Needs:
    """The data types to be computed: those not stored with the lineage of the current settings."""

    def __init__(self, settings: Config, targets: Sequence[str]) -> None:
        self._settings = settings
        self._targets = tuple(targets)
        self._hashes: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}

    def to_make(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the data types to be computed for a run, lowest first."""
        run = layout.run_id(document["number"])
        targets = self._targets or self._settings.targets_for(run_document.mode(document))
        processed = self._settings.storage.processed
        return tuple(
            name
            for name, lineage_hash in self._wanted(run, targets).items()
            if not lineages.is_stored(lineages.folder(processed, run, name, lineage_hash))
        )

    def _wanted(self, run: str, targets: tuple[str, ...]) -> Mapping[str, str]:
        from xamsflow.data import lineage  # noqa: PLC0415 - strax takes seconds

        key = lineage.same_as(self._detector, run), targets
        if key not in self._hashes:
            self._hashes[key] = lineage.stored_with(
                self._detector, self._settings.context, key[0], targets
            )
        return self._hashes[key]

    @cached_property
    def _detector(self) -> Detector:
        return detectors.load(self._settings.detector)


def learn() -> Experience:
    """Return the costs of the newest runs with receipts in this directory."""
    samples: dict[frozenset[str], list[Sample]] = {}
    for made, learned in receipts.learn_from_newest_runs(sample, LEARN_FROM):
        samples.setdefault(made, []).append(learned)
    return Experience(samples)


def sample(run: str) -> tuple[frozenset[str], Sample] | None:
    """Return the data types that were last computed for a run, and the cost; None if unknown."""
    live = receipts.read_or_empty(layout.transfer_receipt(run)).get("bytes")
    if not isinstance(live, int):
        return None
    made: set[str] = set()
    stored = cpu_s = wall_s = 0.0
    for path in layout.receipts_of_data_types(run):
        use = usage.read(Path(layout.PROCESS_BENCHMARK.format(run_id=run, data_type=path.stem)))
        try:
            sizes = _made(receipts.read_or_empty(path))
        except (AttributeError, KeyError, TypeError):  # an unusual receipt
            return None
        if use is None or not sizes:
            continue
        made |= sizes.keys()
        stored += sum(sizes.values())
        cpu_s, wall_s = cpu_s + use.cpu_s, wall_s + use.wall_s
    published = usage.read(Path(layout.PUBLISH_BENCHMARK.format(run_id=run)))
    if not made or published is None:
        return None
    cpu_s, wall_s = cpu_s + published.cpu_s, wall_s + published.wall_s
    return frozenset(made), Sample(float(live), stored, cpu_s, wall_s)


def _made(receipt: Mapping[str, Any]) -> dict[str, float]:
    """Return the size in bytes of each data type that a job stored."""
    names = receipt.get("made")
    if names is None:  # a receipt of an earlier version, which made all or nothing
        names = [] if receipt.get("already_stored") else receipt.get("stored", {})
    return {name: 0.0 + receipt["stored"][name]["bytes"] for name in names}


def cost(
    document: Mapping[str, Any], to_make: tuple[str, ...], experience: Experience, host: str
) -> Cost:
    """Return the expected cost of computing these data types of a run on the cluster `host`."""
    sizes = _sizes(document, host)
    samples = experience.of(to_make)
    live = sizes.get(run_document.LIVE)
    from_live = any(name.startswith("raw_records") for name in to_make)
    raw = [size for name, size in sizes.items() if name.startswith("raw_records")]
    before = [sizes.get(name) for name in to_make]
    known = [size for size in before if size is not None]
    return Cost(
        number=document["number"],
        to_make=to_make,
        read=live if from_live else sum(raw) if raw else None,
        # Earlier data have the same size within a few percent, whatever the run contains.
        written=sum(known)
        if len(known) == len(before)
        else _expected(((one.live, one.stored) for one in samples), live),
        cpu_s=_expected(((one.live, one.cpu_s) for one in samples), live),
        wall_s=_expected(((one.live, one.wall_s) for one in samples), live),
    )


def _sizes(document: Mapping[str, Any], host: str) -> dict[str, float]:
    """Return the size in bytes of our data types, as last registered, and of the live data."""
    return {
        str(entry.get("type")): size * MB
        for entry in run_document.data_entries(document)
        if (size := run_document.size_mb(entry)) is not None
        and (entry.get("type") == run_document.LIVE or registered.is_ours(entry, host))
    }


def _expected(points: Iterable[tuple[float, float]], size: float | None) -> float | None:
    """Return the expected amount for a run of this size, learned from points (size, amount)."""
    line = _line(tuple(points))
    return None if line is None or size is None else line.at(size)


@dataclass(frozen=True)
class _Line:
    """How an amount grows with the size of a run; `size` and `amount` are the medians.

    `slope` is None if the runs differ too little in size to determine it.
    """

    size: float
    amount: float
    slope: float | None
    offset: float = 0.0

    def at(self, size: float) -> float:
        """Return the expected amount for a run of this size."""
        if self.slope is not None:
            return max(0.0, self.offset + self.slope * size)
        if self.size <= 0 or self.size / 2 < size < self.size * 2:
            return self.amount
        return self.amount * size / self.size


@lru_cache
def _line(points: tuple[tuple[float, float], ...]) -> _Line | None:
    """Return the line through points (size, amount), None without points.

    The line is a Theil-Sen estimate, based on medians. A few runs that took much longer, because
    functions were compiled or a disk was slow, therefore have no effect. The slope is never
    negative. Fitting takes milliseconds, and thousands of runs share one line.
    """
    if not points:
        return None
    x, y = np.array(points).T
    size, amount = float(np.median(x)), float(np.median(y))
    one, other = np.triu_indices(len(x), 1)
    differ = np.abs(x[other] - x[one]) > DIFFERENT * size
    if not differ.any():
        return _Line(size, amount, None)
    slopes = (y[other] - y[one])[differ] / (x[other] - x[one])[differ]
    steepest = amount / size if size > 0 else 0.0
    slope = min(max(float(np.median(slopes)), 0.0), steepest)
    return _Line(size, amount, slope, float(np.median(y - slope * x)))
