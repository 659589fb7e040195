"""The facts that the page shows about all runs: their rows, runs in progress or failed, rates."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

from xamsflow import rundb
from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.redax import rundoc
from xamsflow.rundb import RunSummary, Status
from xamsflow.rundb.runs import ACTIVE
from xamsflow.settings.config import Config
from xamsflow.state import layout, lineages, watching
from xamsflow.state.health import Verdict
from xamsflow.state.lineages import NONE, Hashes
from xamsflow.state.watching import Watching
from xamsflow.views import campaigns, reconstructed, run_files
from xamsflow.views.campaigns import Progress
from xamsflow.views.causes import Cause, Causes
from xamsflow.views.page import current, rows
from xamsflow.views.page.rows import Lineages, Row

MB = 1_000_000

MOST = 20_000
"""Maximum number of runs in the table; the newest are shown. More would make a slow page."""

SHOWN = 50
"""Maximum number of runs in each other list; the newest are shown."""

SILENT_S = 1800.0
"""A run in progress without a heartbeat for this long counts as a problem."""

RECENT = timedelta(days=7)
"""Older odd runs do not count as current problems."""

DAYS = 14
"""Number of days of throughput, including today."""

RUNS_TIMED = 100
"""Number of newest runs whose receipts are read for the latency."""


AS_THEY_COME = timedelta(days=1)
"""A run transferred later than this after its end was not waiting for the workflow: a person
requested it long after data taking, so its delay says nothing about the workflow."""


@dataclass(frozen=True)
class Day:
    """Throughput of one day (UTC); shares are relative to the largest day, 0 to 1."""

    date: date
    n_runs: int
    n_bytes: float
    share_runs: float
    share_bytes: float


@dataclass(frozen=True)
class Latency:
    """Time from the end of a run to a step, in s: median and 90th percentile."""

    step: str
    n_runs: int
    median_s: float
    most_s: float


@dataclass(frozen=True)
class Space:
    """Free and total space of a folder's file system, in bytes."""

    what: str
    path: str
    free: int
    total: int

    @property
    def used(self) -> int:
        """The space that is not free, in bytes."""
        return self.total - self.free

    @property
    def used_share(self) -> float:
        """The used share, 0 to 1."""
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True)
class Page:
    """Everything the page shows; `source_problem` says why the run database was not read."""

    made: datetime
    detector: str
    source: str
    source_problem: str
    watch: Watching | None
    counts: Mapping[str, int]
    n_pending: int
    backlog_bytes: float
    oldest_pending: datetime | None
    active: Sequence[RunSummary]
    failed: Sequence[Cause]
    n_failed: int
    n_causes: int
    n_retried: int
    silent: Sequence[RunSummary]
    odd: Sequence[RunSummary]
    rows: Sequence[Row]
    n_runs: int
    lineages: Lineages
    current: current.Changes
    has_trends: bool
    days: Sequence[Day]
    latencies: Sequence[Latency]
    campaigns: Sequence[Progress]
    spaces: Sequence[Space]

    @property
    def done_lately(self) -> Day:
        """The throughput of today and yesterday."""
        today, before = self.days[-1], self.days[-2]
        n_bytes = today.n_bytes + before.n_bytes
        return Day(today.date, today.n_runs + before.n_runs, n_bytes, 0, 0)


def collect(config: Config) -> Page:
    """Read the run documents, the receipts and the disks."""
    now = clock.now()
    problem = ""
    earlier = lineages.kept_in_use(config.storage.processed)
    try:
        with rundb.open_database(config.rundb) as database:
            tally = _Tally.of(database.documents(rows.FIELDS), now, config.storage.host, earlier)
            source = database.name
            under_way = campaigns.under_way(database)
    except XamsflowError as error:
        tally = _Tally.of(_documents_from_receipts(), now, config.storage.host, earlier)
        source, problem, under_way = "receipts", str(error), []
    grouped = tally.causes.most_frequent_first()
    return Page(
        made=now,
        detector=config.detector,
        source=source,
        source_problem=problem,
        watch=watching.current(),
        counts=tally.counts,
        n_pending=tally.counts[Status.PENDING],
        backlog_bytes=tally.backlog_mb * MB,
        oldest_pending=tally.oldest_pending,
        active=tally.active,
        failed=grouped[:SHOWN],
        n_failed=tally.counts[Status.FAILED],
        n_causes=len(grouped),
        n_retried=tally.n_retried,
        silent=tally.silent,
        odd=tally.odd,
        rows=tally.rows,
        n_runs=tally.n_runs,
        lineages=tally.lineages,
        current=current.read(config),
        has_trends=layout.TRENDS.is_file(),
        days=tally.days(now),
        latencies=latencies(run_files.runs()[:RUNS_TIMED]),
        campaigns=under_way,
        spaces=[
            space
            for what, folder in (
                ("live data", config.storage.live_data),
                ("strax data", config.storage.processed),
            )
            if (space := _space(what, folder)) is not None
        ],
    )


def latencies(runs: Iterable[str]) -> list[Latency]:
    """Return the time from the end of a run to each of its steps, from the receipts.

    Only runs that were processed as they ended count: those transferred within AS_THEY_COME.
    """
    times: dict[str, list[float]] = {}
    for run in runs:
        found = run_files.receipts_of(run)
        transferred = found.get(layout.transfer_receipt(run).name)
        end = _end(transferred)
        came = reconstructed.moment((transferred or {}).get("time"))
        if end is None or came is None or came - end > AS_THEY_COME:
            continue
        for name, receipt in found.items():
            step = name.removesuffix(".json")
            step = {"transfer": "transferred", "rundoc": "published"}.get(step, step)
            moment = reconstructed.moment(receipt.get("time"))
            if "run_id" in receipt and "." not in step and moment is not None:
                times.setdefault(step, []).append((moment - end).total_seconds())
    made = [
        Latency(step, len(each), _quantile(each, 0.5), _quantile(each, 0.9))
        for step, each in times.items()
    ]
    return sorted(made, key=lambda latency: latency.median_s)


def _quantile(values: Sequence[float], share: float) -> float:
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def _end(transferred: Mapping[str, Any] | None) -> datetime | None:
    try:
        end = rundoc.from_json((transferred or {})["run_document"])["end"]
    except reconstructed.BROKEN:
        return None
    return end if isinstance(end, datetime) else None


class _Tally:
    """The page's totals, counted while run documents stream by; only a few runs are kept."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.rows: list[Row] = []
        self.n_runs = 0
        self.lineages = Lineages()
        self.active: list[RunSummary] = []
        self.silent: list[RunSummary] = []
        self.odd: list[RunSummary] = []
        self.causes = Causes()
        self.counts: Counter[str] = Counter()
        self.backlog_mb = 0.0
        self.oldest_pending: datetime | None = None
        self.n_retried = 0
        self._n_runs: Counter[date] = Counter()
        self._n_bytes: Counter[date] = Counter()

    @classmethod
    def of(
        cls,
        documents: Iterable[Mapping[str, Any]],
        now: datetime,
        host: str,
        earlier: Mapping[str, Hashes],
    ) -> "_Tally":
        """Count runs, given newest first; those without a status are only in the table."""
        tally = cls(now)
        for document in documents:
            run = RunSummary.of(document)
            tally.n_runs += 1
            if len(tally.rows) < MOST:
                kept = earlier.get(run.run, NONE)
                tally.rows.append(rows.row(run, document, tally.lineages, host, kept))
            if run.status is not None:
                tally._add(run, run.status)
        return tally

    def _add(self, row: RunSummary, status: Status) -> None:
        self.counts[status.value] += 1
        if status in ACTIVE and len(self.active) < SHOWN:
            self.active.append(row)
        if status in ACTIVE and (row.age_s or 0) > SILENT_S:
            self.silent.append(row)
        if row.health == Verdict.ODD and row.end is not None and self._now - row.end < RECENT:
            self.odd.append(row)
        if status is Status.PENDING:
            self.backlog_mb += row.size_mb or 0
            ends = [end for end in (self.oldest_pending, row.end) if end is not None]
            self.oldest_pending = min(ends, default=None)
        if status is Status.FAILED:
            self.causes.add(row)
            self.n_retried += row.retry_at is not None
        if status is Status.DONE and row.changed is not None:
            day = row.changed.astimezone(UTC).date()
            self._n_runs[day] += 1
            self._n_bytes[day] += round((row.size_mb or 0) * MB)

    def days(self, now: datetime) -> list[Day]:
        """Return the throughput of each of the last DAYS days."""
        n_runs, n_bytes = self._n_runs, self._n_bytes
        days = [now.date() - timedelta(days=back) for back in reversed(range(DAYS))]
        most_runs = max([1, *(n_runs[day] for day in days)])
        most_bytes = max([1, *(n_bytes[day] for day in days)])
        return [
            Day(day, n_runs[day], n_bytes[day], n_runs[day] / most_runs, n_bytes[day] / most_bytes)
            for day in days
        ]


def _space(what: str, folder: Path) -> Space | None:
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            usage = shutil.disk_usage(place)
        except OSError:  # does not exist yet, or is not mounted
            continue
        return Space(what, str(folder), usage.free, usage.total)
    return None


def _documents_from_receipts() -> Iterator[dict[str, Any]]:
    """Yield what the receipts and logs in the working directory contain about each run."""
    for run in run_files.runs():
        try:
            yield reconstructed.document(run)
        except reconstructed.BROKEN:
            continue
