"""A run's dossier as readable text, for the terminal and the bundle."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from xamsflow.base import amounts, process
from xamsflow.base.printable import printable
from xamsflow.rundb import run_document
from xamsflow.settings.config import DAQ
from xamsflow.views import terminal
from xamsflow.views.dossier import Dossier
from xamsflow.views.terminal import Column

MB = 1_000_000

Pairs: TypeAlias = Sequence[tuple[str, Any]]

EVENTS = "events"
"""The data type with one item for each event."""

HISTORY = ("time", "from", "to", "by", "attempt", "stage", "host", "job_id", "log", "reason")
SHOWN_ELSEWHERE = ("targets", "versions", "quality")
"""Keys of a status change; keys in neither list are shown at the end of its line."""


def text(dossier: Dossier, *, line: int | None = None) -> str:
    """Return the dossier as text, with tables `line` characters wide (None: no limit)."""
    return "\n".join(_lines(dossier, line))


def _lines(dossier: Dossier, line: int | None) -> Iterator[str]:
    yield from _head(dossier)
    if dossier["facts"]:
        yield from _headed("Run", _lines_of(facts_pairs(dossier["facts"])))
    if dossier["transfer"]:
        yield from _headed("Live data", _lines_of(transfer_pairs(dossier["transfer"])))
    if dossier["stored"]:
        yield from _headed(
            "Stored data", [terminal.table(STORED, stored_rows(dossier["stored"]), line=line)]
        )
        if any(one["data_type"] == EVENTS and one["n_items"] == 0 for one in dossier["stored"]):
            yield "The run has no events."
    here = {one["path"] for one in dossier["stored"]}
    elsewhere = [one for one in dossier["registered"] if str(one.get("location")) not in here]
    if elsewhere:
        yield from _headed("Also in the run document", [_registered_table(elsewhere, line)])
    if dossier["quality"]:
        yield from _headed("Quality", _lines_of(quality_pairs(dossier["quality"])))
    if dossier["health"]:
        yield from _headed("Health", _lines_of(health_pairs(dossier["health"])))
    if dossier["history"]:
        yield from _headed(
            "History", [terminal.table(CHANGES, history_rows(dossier["history"]), line=line)]
        )
    if dossier["logs"]:
        yield from _headed("Logs", [_log_table(dossier["logs"], line)])
    if dossier["receipts"]:
        paths = [
            f"{_path(one['path'])}{'' if one['readable'] else '  (cannot be read)'}"
            for one in dossier["receipts"]
        ]
        yield from _headed("Receipts", paths)


def _listed(value: Any) -> str:
    """Return a list in one line; a document may hold anything in its place."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _headed(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield terminal.coloured(title, "bold")
    yield from lines


def _head(dossier: Dossier) -> Iterator[str]:
    run, status = dossier["run"], dossier["status"]
    if status is None:
        yield f"Run {run}: the run document could not be read; this is from the files here"
        return
    words = [status["status"] or str(status["status_found"] or "not requested")]
    if status["stage"] and status["status"] in ("running", "failed"):
        words.append(f"in {status['stage']}")
    if status["attempt"]:
        words.append(f"(attempt {status['attempt']})")
    if status["age_s"] is not None:
        words.append(f"last update {amounts.duration(status['age_s'])} ago")
    yield printable(f"Run {run}: {' '.join(words)}")
    if status["reason"]:
        yield printable(f"{status['failure'] or 'reason'}: {status['reason']}")
    if status["retry_at"]:
        yield f"retried automatically at {_time(status['retry_at'])} UTC"
    if status["status"] == "failed":
        yield f"next: read xamsflow log {run}, fix the cause, then run xamsflow retry {run}"
    if status["status"] in ("running", "submitted"):
        about = (("on", "host"), ("batch job", "job_id"), ("for", "owner"))
        told = [f"{word} {status[name]}" for word, name in about if status[name]]
        yield printable(", ".join(told))


def facts_pairs(facts: Mapping[str, Any]) -> Pairs:
    """Return the DAQ's facts about a run: names and values, some empty."""
    length = f" ({amounts.duration(facts['length_s'])})" if facts["length_s"] else ""
    pairs = [
        ("mode", facts["mode"]),
        ("detectors", _listed(facts["detectors"])),
        ("user", facts["user"]),
        ("source", facts["source"]),
        ("start", f"{_time(facts['start'], seconds=True)} UTC" if facts["start"] else ""),
        ("end", f"{_time(facts['end'], seconds=True)} UTC{length}" if facts["end"] else
                "none: the run is still being taken, or the DAQ crashed"),
        ("tags", ", ".join(str(tag["name"]) for tag in facts["tags"])),
    ]  # fmt: skip
    for board in facts["digitizers"]:
        used = (c for c in board["channels"] or () if _is_number(c) and c >= 0)
        channels = ", ".join(map(str, used))
        pairs.append(("digitizer", f"{board['type']}, board {board['board']}, channels {channels}"))
    for comment in facts["comments"]:
        when = _time(comment["time"])
        pairs.append(("comment", f"{comment['user']}, {when}: {comment['comment']}"))
    return pairs


def transfer_pairs(transfer: Mapping[str, Any]) -> Pairs:
    """Return how the live data came here: names and values."""
    source = transfer["source"] or {}
    duration, copied = transfer["duration_s"], transfer["copied_bytes"]
    how = f"{amounts.size(transfer['bytes'])} in {transfer['n_files']} files"
    if duration and copied:
        how += f", {amounts.size(copied)} copied in {amounts.duration(duration)}"
        how += f" ({amounts.size(copied / duration)}/s)"
    gone = "" if transfer["here"] else "  (no longer there)"
    return [
        ("from", f"{source.get('host')}:{source.get('path')}{_named(source)}"),
        *(("not from", one) for one in source.get("passed_over") or ()),
        ("to", f"{transfer['destination']}{gone}"),
        ("size", how),
        ("compared", transfer["compared"]),
        ("when", f"{_time(transfer['time'])} UTC on {transfer['host']}"),
    ]


def _named(source: Mapping[str, Any]) -> str:
    """Return the name of another source than the DAQ."""
    name = source.get("name")
    return "" if name in (None, DAQ) else f" ({name})"


def _lines_of(pairs: Pairs) -> Iterator[str]:
    for name, value in pairs:
        if value:
            yield f"{name:<12}{printable(str(value))}"


STORED = (
    Column("data type"), Column("items", right=True), Column("chunks", drop=1, right=True),
    Column("size", right=True), Column("", cut=2), Column("path", cut=20),
)  # fmt: skip


def stored_rows(stored: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row of STORED for each data set."""
    return [
        [
            one["data_type"],
            _number(one["n_items"]),
            _number(one["n_chunks"]),
            amounts.size(one["bytes"]),
            "" if one["here"] else "gone",
            _path(one["path"]),
        ]
        for one in stored
    ]


def _registered_table(entries: Sequence[Mapping[str, Any]], line: int | None) -> str:
    columns = (
        Column("tool"), Column("type"), Column("host"), Column("size", drop=4, right=True),
        Column("time", drop=2), Column("by", drop=1), Column("lineage", drop=3),
        Column("location", cut=20),
    )  # fmt: skip
    rows = [
        [
            str(one.get("tool", "")),
            str(one.get("type", "")),
            str(one.get("host", "")),
            amounts.size(None if (size := run_document.size_mb(one)) is None else size * MB),
            _time(one.get("time")),
            str(one.get("by", one.get("user", ""))),
            str(one.get("lineage_hash", "")),
            str(one.get("location", "")),
        ]
        for one in entries
    ]
    return terminal.table(columns, rows, line=line)


def quality_pairs(quality: Mapping[str, Any]) -> Pairs:
    """Return the verdict on the live data and what was found: names and values, some empty."""
    live, dead = (quality.get(f"{name}_time_ns") or 0 for name in ("live", "dead"))
    pairs: list[tuple[str, Any]] = [
        ("verdict", quality["verdict"] or "not checked"),
        ("live time", f"{live / 1e9:.3f} s"),
        ("dead time", f"{dead / 1e9:.3f} s" if dead else ""),
        ("gaps", len(quality.get("gaps") or ())),
    ]
    for what, provenance, why in quality["not_measured"]:
        pairs.append(("corrections", f"{what.replace('_', ' ')} {provenance}: {why}"))
    for one in quality["findings"]:
        lost = one.get("lost_records")
        more = f" ({lost} records lost)" if lost else ""
        rule, message = one.get("rule", ""), one.get("message", "")
        pairs.append((str(one.get("severity", "")), f"{rule}: {message}{more}"))
    return pairs


def health_pairs(health: Mapping[str, Any]) -> Pairs:
    """Return the verdict on a run's quantities and what people noted: names and values."""
    pairs = [
        ("verdict", health.get("verdict")),
        ("compared", health.get("reference")),
        *(("odd", line) for line in health["lines"]),
    ]
    notes = health.get("known")
    for note in notes if isinstance(notes, list) else ():
        if isinstance(note, dict):
            about = f"{note.get('by')}, {_time(note.get('time'))}, on {_listed(note.get('names'))}"
            pairs.append(("known", f"{note.get('text')} ({about})"))
    return pairs


CHANGES = (
    Column("time (UTC)"), Column("from", drop=2), Column("to"), Column("stage", drop=3),
    Column("try", drop=1, right=True), Column("by", cut=12), Column("what", cut=24),
)  # fmt: skip


def history_rows(history: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row of CHANGES for each change of status, oldest first."""
    rows = []
    for entry in history:
        rest = {
            name: value
            for name, value in entry.items()
            if name not in HISTORY and name not in SHOWN_ELSEWHERE and value not in ("", [])
        }
        told = [str(entry.get("reason", "")), *(f"{name}: {rest[name]}" for name in rest)]
        rows.append(
            [
                _time(entry.get("time"), seconds=True),
                str(entry.get("from") or ""),
                str(entry.get("to") or ""),
                str(entry.get("stage") or ""),
                str(entry.get("attempt") or ""),
                _person(str(entry.get("by") or "")),
                "; ".join(word for word in told if word),
            ]
        )
    return rows


def _log_table(logs: Sequence[Mapping[str, Any]], line: int | None) -> str:
    columns = (
        Column("job"), Column("attempt", drop=2, right=True), Column("written (UTC)", drop=1),
        Column("size", drop=3, right=True), Column("path", cut=30), Column("failed", cut=20),
    )  # fmt: skip
    rows = [
        [
            " ".join(word for word in (log["rule"], log["data_type"]) if word),
            str(log["attempt"]),
            _time(log["changed"]),
            amounts.size(log["bytes"]),
            _path(log["path"]),
            log["failure"] or "",
        ]
        for log in logs
    ]
    return terminal.table(columns, rows, line=line)


def _person(by: str) -> str:
    """Return who changed a status; a driver's long name is shortened to host and process."""
    known = process.parse(by)
    return by if known is None else f"driver {known.pid} on {known.host}"


def _path(path: Any) -> str:
    """Return a path relative to the working directory if it lies there."""
    return str(path or "").removeprefix(f"{Path.cwd()}/")


def _number(value: Any) -> str:
    return f"{value:,}".replace(",", " ") if _is_number(value) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(text: Any, *, seconds: bool = False) -> str:
    """Return a time in UTC for the dossier; text that is not a time stays unchanged."""
    if not isinstance(text, str):
        return "" if text is None else str(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if seconds else amounts.time(moment)
