"""Everything known about a run, in one place: run document, receipts and logs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xamsflow.base.errors import XamsflowError
from xamsflow.base.plain_json import plain
from xamsflow.redax import findings, rundoc
from xamsflow.rundb import RunSummary, registered, run_document
from xamsflow.settings.corrections import Provenance
from xamsflow.state import health
from xamsflow.state.receipts import Receipt
from xamsflow.views import run_files
from xamsflow.views.run_files import Log

Dossier = dict[str, Any]


def collect(
    run: str, document: Mapping[str, Any] | None, logs: Sequence[Log] | None = None
) -> Dossier:
    """Return what is known about a run as plain JSON; `logs` are its logs if they are known.

    If `document` is None because the run database cannot be reached, the copy in the transfer's
    receipt is used, if there is one. Receipts and logs are read from the working directory.
    """
    receipts = run_files.receipts_of(run)
    transfer = receipts.get("transfer.json") or None
    made = run_files.data_type_receipts(receipts)
    known = document if document is not None else _as_transferred(transfer)
    return {
        "run": run,
        "status": None if document is None else RunSummary.of(document).to_json(),
        "facts": None if known is None else _facts(known),
        "history": [] if document is None else _history(document),
        "transfer": None if transfer is None else _transfer(transfer),
        "stored": _stored(made),
        "registered": [] if known is None else _registered(known),
        "quality": _quality(made),
        "health": _health(run, known),
        "versions": made[-1].get("versions", {}) if made else {},
        "logs": [
            {
                "rule": log.rule,
                "data_type": log.data_type,
                "attempt": log.attempt,
                "path": str(log.path),
                "bytes": log.size,
                "changed": log.changed.isoformat(),
                "failure": log.failure,
            }
            for log in (run_files.logs(run) if logs is None else logs)
        ],
        "receipts": [
            {
                "path": str((Path("results") / run / name).absolute()),
                "time": receipt.get("time"),
                "readable": bool(receipt),
            }
            for name, receipt in receipts.items()
        ],
    }


def _as_transferred(transfer: Receipt | None) -> Mapping[str, Any] | None:
    document = (transfer or {}).get("run_document")
    return rundoc.from_json(document) if isinstance(document, dict) else None


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    row = RunSummary.of(document)
    settings = document.get("daq_config")
    settings = settings if isinstance(settings, dict) else {}
    return {
        "mode": row.mode,
        "detectors": plain(document.get("detectors")),
        "user": plain(document.get("user")),
        "source": plain(document.get("source")),
        "start": plain(row.start),
        "end": plain(row.end),
        "length_s": row.length_s,
        "tags": _notes(document.get("tags"), "name"),
        "comments": _notes(document.get("comments"), "comment"),
        "digitizers": [
            {
                "board": plain(board.get("board")),
                "type": plain(board.get("type")),
                "host": plain(board.get("host")),
                "channels": plain(_dict(settings.get("channels")).get(str(board.get("board")))),
            }
            for board in _dicts(settings.get("boards"))
        ],
    }


def _notes(notes: Any, name: str) -> list[dict[str, Any]]:
    """Return tags or comments with user and time; run documents call the time date or time."""
    return [
        {
            name: plain(note.get(name)),
            "user": plain(note.get("user")),
            "time": plain(note.get("date", note.get("time"))),
        }
        for note in _dicts(notes)
    ]


def _history(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [plain(entry) for entry in run_document.history(document)]


def _transfer(receipt: Receipt) -> dict[str, Any]:
    names = ("bytes", "copied_bytes", "duration_s", "source", "destination", "compared", "the_end")
    kept = {name: receipt.get(name) for name in (*names, "host", "time", "versions")}
    destination = receipt.get("destination")
    return kept | {
        "n_files": len(receipt.get("files") or ()),
        "here": _is_there(destination),
    }


def _stored(made: Sequence[Receipt]) -> list[dict[str, Any]]:
    """Return the data sets in the receipts; if two receipts describe one, the later wins."""
    names = ("path", "n_items", "n_chunks", "bytes", "start", "end", "lineage_hash")
    found: dict[tuple[str, Any], dict[str, Any]] = {}
    for receipt in made:
        for data_type, facts in receipt["stored"].items():
            if isinstance(facts, dict):
                path = facts.get("path")
                found[data_type, facts.get("lineage_hash")] = {
                    "data_type": data_type,
                    **{name: facts.get(name) for name in names},
                    "here": _is_there(path),
                }
    return list(found.values())


def _is_there(path: Any) -> bool:
    """Return whether a folder exists; one that this user cannot reach does not."""
    return isinstance(path, str) and os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises


def _registered(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of the run document's `data`, without lineages."""
    names = (
        "type",
        "host",
        "location",
        "size_mb",
        "n_items",
        "n_chunks",
        "lineage_hash",
        "by",
        "user",
    )
    return [
        {name: plain(entry[name]) for name in (*names, "time") if name in entry}
        | {"tool": registered.tool(entry).value}
        for entry in run_document.data_entries(document)
    ]


def _quality(made: Sequence[Receipt]) -> dict[str, Any] | None:
    """Return a run's quality from all its receipts: each finding once, and the worst verdict.

    `not_measured` names the corrections that are a guess, with provenance and reason.
    """
    told = [receipt["quality"] for receipt in made if isinstance(receipt.get("quality"), dict)]
    if not told:
        return None
    found: list[dict[str, Any]] = []
    for quality in told:
        found += [one for one in _dicts(quality.get("findings")) if one not in found]
    verdicts = [quality.get("verdict") for quality in told if quality.get("verdict")]
    worst = max(verdicts, key=_VERDICTS.index, default=None)
    used = {what: origin for one in told for what, origin in _dict(one.get("corrections")).items()}
    not_measured = [
        [what, str(origin.get("provenance")), str(origin.get("why"))]
        for what, origin in used.items()
        if isinstance(origin, dict) and origin.get("provenance") != Provenance.MEASURED
    ]
    return {**told[-1], "findings": found, "verdict": worst, "not_measured": not_measured}


def _health(run: str, document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the verdict on a run's quantities: from its file, else from the run document."""
    try:
        found = health.read(run)
    except (XamsflowError, OSError):
        found = None
    if found is not None:
        return found.to_json() | {"lines": [str(one) for one in found.odd]}
    said = run_document.health(document or {})
    return {**plain(said), "lines": []} if said else None


_VERDICTS = list(findings.Verdict)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
