"""How far campaigns are, as plain facts for a terminal or a page."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from xamsflow.base.plain_json import plain
from xamsflow.rundb import RunDatabase, RunSummary, Status
from xamsflow.state import campaigns
from xamsflow.state.campaigns import Campaign, Phase
from xamsflow.views.causes import Causes

logger = logging.getLogger(__name__)

WAITING = "waiting"
"""The status of a run that the campaign has not requested."""

STATUSES = (WAITING, *(status.value for status in Status))

RECENT = timedelta(hours=1)
"""The rate is that of this long before the last run was done, or since the start or resumption."""


@dataclass(frozen=True)
class Failures:
    """Runs that failed for the same cause; `reason` is that of the newest."""

    reason: str
    stage: str | None
    failure: str | None
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Progress:
    """How far a campaign is.

    `by_status` counts its runs by status, in the order of STATUSES. `rate` is in runs done per
    hour, and `end` the time (UTC) at which all are done at this rate; None if unknown.
    """

    name: str
    phase: Phase
    reason: str
    n_runs: int
    by_status: dict[str, int]
    rate: float | None
    end: datetime | None
    failures: tuple[Failures, ...]

    @property
    def left(self) -> int:
        """The number of runs that are neither done nor failed."""
        return self.n_runs - self.by_status["done"] - self.by_status["failed"]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        made: dict[str, Any] = plain({**asdict(self), "phase": self.phase.value})
        return made


def under_way(database: RunDatabase) -> list[Progress]:
    """Return how far the campaigns are that have been started and not ended."""
    found, problems = campaigns.read_all()
    for problem in problems:
        logger.warning("%s", problem)
    return [of(campaign, database) for campaign in found if campaign.is_open]


def of(campaign: Campaign, database: RunDatabase) -> Progress:
    """Return the progress of a campaign, with one query."""
    return progress(campaign, database.each_run(campaign.ranges), database.now())


def progress(campaign: Campaign, rows: Iterable[RunSummary], now: datetime) -> Progress:
    """Return the progress of a campaign, given its runs, newest first."""
    counts: Counter[str] = Counter()
    causes = Causes()
    ends = []
    for row in rows:
        status = row.status if row.campaign == campaign.name else None
        counts[WAITING if status is None else status.value] += 1
        if status is Status.FAILED:
            causes.add(row)
        if status is Status.DONE and row.changed is not None:
            ends.append(row.changed)
    counts[WAITING] += len(campaign.runs) - counts.total()  # runs without a document
    rate, end = _rate(campaign, ends), None
    left = len(campaign.runs) - counts["done"] - counts["failed"]
    if rate and left:
        end = max(ends) + timedelta(hours=left / rate)
    return Progress(
        name=campaign.name,
        phase=campaign.phase,
        reason=campaign.reason,
        n_runs=len(campaign.runs),
        by_status={status: counts[status] for status in STATUSES},
        rate=rate,
        end=end if end is not None and end > now else None,
        failures=tuple(
            Failures(
                cause.newest.reason or "",
                cause.newest.stage,
                cause.newest.failure,
                tuple(cause.numbers),
            )
            for cause in causes.most_frequent_first()
        ),
    )


def _rate(campaign: Campaign, ends: Collection[datetime]) -> float | None:
    """Return the runs done per hour, None unless the campaign is running and some are done."""
    if campaign.phase is not Phase.RUNNING or not ends:
        return None
    started = [
        datetime.fromisoformat(entry["time"])
        for entry in campaign.history
        if entry.get("action") in ("start", "resume")
    ]
    last = max(ends)
    since = max([last - RECENT, *started[-1:]])
    n_done = sum(end > since for end in ends)
    hours = (last - since).total_seconds() / 3600
    return n_done / hours if n_done and hours > 0 else None
