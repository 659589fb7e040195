"""A run in the run database: one that waits, one that is claimed, any run in a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from xamsflow.base.plain_json import plain
from xamsflow.rundb import run_document, selection
from xamsflow.rundb.registered import Tool, tool
from xamsflow.rundb.run_document import Document, count, section, text, time
from xamsflow.rundb.status import State, Status, state, understand
from xamsflow.settings.config import Select
from xamsflow.state import layout

ACTIVE = (Status.SUBMITTED, Status.RUNNING)


@dataclass(frozen=True)
class PendingRun:
    """A run that waits; `attempt` counts the earlier attempts.

    `retry_at` is None for a requested run, otherwise the time since which it has been due for a
    retry. `forced`: it is processed only because of a tag, which stays until the run is claimed.
    `reprocess`: existing data do not count. `is_taken`: it has no end yet. `campaign` is the
    campaign that it waits for, and `targets` what the campaign wants; None: as the settings say.
    `length_s` is its length in seconds, None if unknown.
    """

    number: int
    mode: str
    attempt: int
    retry_at: datetime | None = None
    forced: bool = False
    reprocess: bool = False
    is_taken: bool = False
    campaign: str | None = None
    targets: tuple[str, ...] | None = None
    length_s: float | None = None

    FIELDS = (*selection.FIELDS, "processing.attempt")

    @classmethod
    def of(cls, document: Document, select: Select) -> "PendingRun":
        """Return the run of a document that `select` wants processed."""
        found = state(document)
        forced = found is not State.PENDING and selection.forced_by_tag(document, select)
        again = found is State.FAILED and not forced
        return cls(
            number=document["number"],
            mode=run_document.mode(document),
            attempt=run_document.attempt(document),
            retry_at=run_document.retry_at(document) if again else None,
            forced=forced,
            reprocess=run_document.is_to_be_reprocessed(document),
            is_taken=run_document.is_being_taken(document),
            campaign=run_document.campaign(document),
            targets=run_document.campaign_targets(document),
            length_s=_length_s(time(document.get("start")), time(document.get("end"))),
        )


@dataclass(frozen=True)
class ClaimedRun:
    """A run that a driver of this project has claimed and not finished.

    `heartbeat_age_s` is the time in seconds since its owner's last heartbeat, by the server's
    clock, None without one; `heartbeat` is the value in the document. `is_taken`: it has no end
    yet. `campaign` and `targets` are as for a pending run. `length_s` is its length in seconds,
    None if unknown.
    """

    number: int
    mode: str
    tags: tuple[str, ...]
    status: Status
    owner: str
    attempt: int
    stage: str | None
    job_id: str | None
    heartbeat: Any = field(hash=False)
    heartbeat_age_s: float | None
    reprocess: bool = False
    is_taken: bool = False
    campaign: str | None = None
    targets: tuple[str, ...] | None = None
    length_s: float | None = None

    FIELDS = (
        *selection.FIELDS,
        *("processing.attempt", "processing.stage", "processing.job_id", "processing.heartbeat"),
    )

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "ClaimedRun | None":
        """Return the run of a document, or None if no driver of this project has claimed it.

        The document's `now` is the server's time.
        """
        found, processing = state(document), section(document)
        if found not in (State.SUBMITTED, State.RUNNING):
            return None
        heard, now = time(processing.get("heartbeat")), time(document.get("now"))
        return cls(
            number=document["number"],
            mode=run_document.mode(document),
            tags=run_document.tag_names(document),
            status=Status(found),
            owner=processing["owner"],
            attempt=run_document.attempt(document),
            stage=text(processing.get("stage")),
            job_id=text(processing.get("job_id")),
            heartbeat=processing.get("heartbeat"),
            heartbeat_age_s=(now - heard).total_seconds() if heard and now else None,
            reprocess=run_document.is_to_be_reprocessed(document),
            is_taken=run_document.is_being_taken(document),
            campaign=run_document.campaign(document),
            targets=run_document.campaign_targets(document),
            length_s=_length_s(time(document.get("start")), time(document.get("end"))),
        )


def turn(run: PendingRun | ClaimedRun) -> tuple[bool, int]:
    """Return the key that sorts runs as they are taken: newest first, runs of campaigns last."""
    return run.campaign is not None, -run.number


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a table: its status and the reason. None if the run document does not say.

    Times are UTC. `status` is None if there is none, or if it is not understood; `status_found` is
    the value in the document. `start` and `end` are the run's, `length_s` is in seconds. `size_mb`
    is the size of the live data if known, else of the raw records, and `stored_mb` of all strax
    data, in MB (10^6 bytes). `source` is the source from which the live data were copied. `attempt`
    counts how often processing was started, `tries` the failures since a person last requested the
    run or since it was done, `failures` all failures. `changed` is when the status last changed,
    `last_sign` when a driver or job of the run last gave a sign of life, and `age_s` how long ago
    that was by the database server's clock. `progress` is the running job's last report: chunk,
    n_chunks, mb_per_s, time_left_s, time. `verdict` is that on the data, and `health` that on their
    quantities. `retry_at` is when a failed run is retried automatically. `campaign` is the campaign
    that last requested the run.
    """

    number: int
    mode: str
    tags: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    length_s: float | None
    size_mb: float | None
    stored_mb: float | None
    source: str | None
    status: Status | None
    status_found: Any
    stage: str | None
    attempt: int
    tries: int
    failures: int
    host: str | None
    job_id: str | None
    owner: str | None
    log: str | None
    changed: datetime | None
    last_sign: datetime | None
    age_s: float | None
    progress: Mapping[str, Any] | None
    verdict: str | None
    health: str | None
    reason: str | None
    failure: str | None
    retry_at: datetime | None
    campaign: str | None

    FIELDS = (
        *("number", "mode", "tags", "start", "end", "processing_status", "processing_failed"),
        *("data.type", "data.size_mb", "data.lineage_hash", "data.location"),
        *("data.source", "data.host", "data.protocol", "data.by", "data.user"),
        *(
            f"processing.{name}"
            for name in (
                *("stage", "attempt", "tries", "retry_at", "host", "job_id", "owner", "log"),
                *("time", "heartbeat", "progress", "reason", "failure", "quality.verdict"),
                *("health.verdict", "campaign.name"),
            )
        ),
    )
    """The fields read of each run document, without the DAQ's settings, history and lineages."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "RunSummary":
        """Return the run of a document; its `now`, if there is one, is the server's time."""
        view = understand(run_document.status(document))
        processing = section(document)
        start, end = time(document.get("start")), time(document.get("end"))
        progress = processing.get("progress")
        progress = progress if isinstance(progress, dict) else None
        # amstrax wrote {status, time, host, reason}.
        old = view.raw if isinstance(view.raw, dict) else {}
        changed = time(processing.get("time")) or time(old.get("time"))
        signs = [changed, time((progress or {}).get("time"))]
        if view.status in ACTIVE:
            signs.append(time(processing.get("heartbeat")))
        last_sign = max((sign for sign in signs if sign is not None), default=None)
        now = time(document.get("now"))
        live_mb, raw_mb, stored_mb = _sizes(document)
        quality = processing.get("quality")
        return cls(
            number=document["number"],
            mode=run_document.mode(document),
            tags=run_document.tag_names(document),
            start=start,
            end=end,
            length_s=_length_s(start, end),
            size_mb=raw_mb if live_mb is None else live_mb,
            stored_mb=stored_mb,
            source=_source(document),
            status=view.status,
            status_found=view.raw,
            stage=text(processing.get("stage")),
            attempt=run_document.attempt(document),
            tries=count(processing.get("tries")),
            failures=count(document.get("processing_failed")),
            host=text(processing.get("host")) or text(old.get("host")),
            job_id=text(processing.get("job_id")),
            owner=run_document.owner(document),
            log=text(processing.get("log")),
            changed=changed,
            last_sign=last_sign,
            age_s=max(0.0, (now - last_sign).total_seconds()) if now and last_sign else None,
            progress=progress if view.status is Status.RUNNING else None,
            verdict=text(quality.get("verdict")) if isinstance(quality, dict) else None,
            health=text(run_document.health(document).get("verdict")),
            reason=text(processing.get("reason")) or view.reason,
            failure=text(processing.get("failure")),
            retry_at=run_document.retry_at(document),
            campaign=text(run_document.campaign_mark(document).get("name")),
        )

    @property
    def run(self) -> str:
        """The run's name."""
        return layout.run_id(self.number)

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain JSON under the names of its fields."""
        named = {one.name: plain(getattr(self, one.name)) for one in fields(self)}
        return {"run": self.run} | named


def _length_s(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def _sizes(document: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Return the sizes in MB of live data, raw records and all strax data, or None if unknown.

    Data registered for several hosts or locations count once, strax data of other tools not at all.
    """
    sizes: dict[tuple[str, str], float] = {}
    for entry in run_document.data_entries(document):
        if entry.get("type") != run_document.LIVE and tool(entry) is not Tool.XAMSFLOW:
            continue
        data_type, size = entry.get("type"), run_document.size_mb(entry)
        if isinstance(data_type, str) and size is not None:
            sizes[data_type, str(entry.get("lineage_hash"))] = size
    live = [size for (data_type, _), size in sizes.items() if data_type == run_document.LIVE]
    raw = [size for (data_type, _), size in sizes.items() if data_type.startswith("raw_records")]
    stored = [size for (data_type, _), size in sizes.items() if data_type != run_document.LIVE]
    return (max(live, default=None), _sum(raw), _sum(stored))


def _source(document: Mapping[str, Any]) -> str | None:
    entries = run_document.data_entries(document)
    live = (entry for entry in entries if entry.get("type") == run_document.LIVE)
    return next((name for entry in live if (name := text(entry.get("source")))), None)


def _sum(sizes: Iterable[float]) -> float | None:
    found = list(sizes)
    return sum(found) if found else None
