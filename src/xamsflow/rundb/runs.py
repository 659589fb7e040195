"""One row per run: how far it is and why, read from the run documents by one query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from xamsflow.rundb import RunDatabase, Status, understand
from xamsflow.rundb.changes import count, section
from xamsflow.state import layout

FIELDS = (
    *("number", "mode", "tags.name", "start", "end", "processing_status", "processing_failed"),
    *("data.type", "data.size_mb", "data.lineage_hash", "data.location"),
    *(
        f"processing.{name}"
        for name in (
            *("stage", "attempt", "tries", "retry_at", "host", "job_id", "owner", "log", "time"),
            *("heartbeat", "progress", "reason", "failure", "quality.verdict"),
        )
    ),
)
"""What is asked for of each run document: neither settings of the DAQ, history nor lineages."""

ACTIVE = (Status.SUBMITTED, Status.RUNNING)


@dataclass(frozen=True)
class Row:
    """A run in a table; None where the run document does not say. Times are UTC.

    `status` is None where there is none, or where `status_found`, what stands there, is not
    understood. `start` and `end` are the run's, `length_s` is in seconds; `size_mb` is the size of
    the live data where it is known, else of the raw records, and `stored_mb` of all strax data, in
    MB (10^6 bytes). `attempt` counts how often the run was begun, `tries` the failures since a
    person last asked for it or since it was done, `failures` all of them. `changed` is when the
    status last changed, `last_sign` when anybody working on the run was last heard of, and `age_s`
    how long that is ago by the database server's clock. `progress` is what the running job last
    said: chunk, n_chunks, mb_per_s, time_left_s, time. `retry_at` is when a failed run is tried
    again by itself.
    """

    number: int
    mode: str
    tags: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    length_s: float | None
    size_mb: float | None
    stored_mb: float | None
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
    reason: str | None
    failure: str | None
    retry_at: datetime | None

    @property
    def run(self) -> str:
        """The run's name."""
        return layout.run_id(self.number)


def read(database: RunDatabase, numbers: Sequence[range] | None = None) -> list[Row]:
    """Return a row for each run with a number in `numbers` (None: all), newest first."""
    return [row(document) for document in database.documents(FIELDS, numbers)]


def row(document: Mapping[str, Any]) -> Row:
    """Return the row of a run document; its `now`, if there is one, is the server's time."""
    view = understand(document.get("processing_status"))
    processing = section(document)
    start, end = _time(document.get("start")), _time(document.get("end"))
    progress = processing.get("progress") if isinstance(processing.get("progress"), dict) else None
    old = view.raw if isinstance(view.raw, dict) else {}  # of amstrax: {status, time, host, reason}
    changed = _time(processing.get("time")) or _time(old.get("time"))
    signs = [changed, _time((progress or {}).get("time"))]
    if view.status in ACTIVE:
        signs.append(_time(processing.get("heartbeat")))
    last_sign = max((sign for sign in signs if sign is not None), default=None)
    now = _time(document.get("now"))
    live_mb, raw_mb, stored_mb = _sizes(document.get("data"))
    verdict = processing.get("quality")
    return Row(
        number=document["number"],
        mode=_text(document.get("mode")) or "",
        tags=_tags(document.get("tags")),
        start=start,
        end=end,
        length_s=(end - start).total_seconds() if start and end else None,
        size_mb=raw_mb if live_mb is None else live_mb,
        stored_mb=stored_mb,
        status=view.status,
        status_found=view.raw,
        stage=_text(processing.get("stage")),
        attempt=count(processing.get("attempt")),
        tries=count(processing.get("tries")),
        failures=count(document.get("processing_failed")),
        host=_text(processing.get("host")) or _text(old.get("host")),
        job_id=_text(processing.get("job_id")),
        owner=_text(processing.get("owner")),
        log=_text(processing.get("log")),
        changed=changed,
        last_sign=last_sign,
        age_s=max(0.0, (now - last_sign).total_seconds()) if now and last_sign else None,
        progress=progress if view.status is Status.RUNNING else None,
        verdict=_text(verdict.get("verdict")) if isinstance(verdict, dict) else None,
        reason=_text(processing.get("reason")) or view.reason,
        failure=_text(processing.get("failure")),
        retry_at=_time(processing.get("retry_at")),
    )


def to_json(one: Row) -> dict[str, Any]:
    """Return a row as plain JSON: times as ISO 8601 in UTC, the names are those of Row."""
    return {"run": one.run} | {name: plain(value) for name, value in asdict(one).items()}


def plain(value: Any) -> Any:
    """Return a value of a run document as plain JSON, what has no such form as its text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)  # as of an old tool's status, which may be anything that BSON holds


def _sizes(data: Any) -> tuple[float | None, float | None, float | None]:
    """Return the sizes in MB of live data, raw records and all strax data, None if none is told.

    Data sets registered for several hosts, or at several places, count once.
    """
    sizes: dict[tuple[str, str], float] = {}
    for entry in data if isinstance(data, list) else ():
        if not isinstance(entry, dict):
            continue
        data_type, size = entry.get("type"), entry.get("size_mb")
        if isinstance(data_type, str) and isinstance(size, int | float):
            sizes[data_type, str(entry.get("lineage_hash"))] = size
    live = [size for (data_type, _), size in sizes.items() if data_type == "live"]
    raw = [size for (data_type, _), size in sizes.items() if data_type.startswith("raw_records")]
    stored = [size for (data_type, _), size in sizes.items() if data_type != "live"]
    return (max(live, default=None), _sum(raw), _sum(stored))


def _sum(sizes: Iterable[float]) -> float | None:
    found = list(sizes)
    return sum(found) if found else None


def _tags(tags: Any) -> tuple[str, ...]:
    if not isinstance(tags, list):
        return ()
    names = (tag.get("name") for tag in tags if isinstance(tag, dict))
    return tuple(name for name in names if isinstance(name, str))


def _time(value: Any) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
