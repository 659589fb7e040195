"""Compare the entries in the run document's `data` with the folders that they name.

Only this project's entries for this cluster are checked; those of the DAQ and of other tools are
left unchanged.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xamsflow.base.errors import BadDataError
from xamsflow.operate.reconcile.disagreement import MOUNTED, Disagreement, is_away
from xamsflow.operate.reconcile.evidence import Document, Evidence, Sources, without_run
from xamsflow.run import publish
from xamsflow.rundb import run_document
from xamsflow.state import strax_folder


def unregistered(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find data that are stored here but not registered in the run document."""
    if evidence.document is None:
        return
    entries = evidence.entries_of(sources.host)
    missing = []
    for path, folder in evidence.complete.items():
        if not any(_is_at(entry, path) for entry in entries):
            facts = folder.facts or {}
            missing.append((path, publish.data_entry(folder.name.data_type, facts, sources.host)))
    live = evidence.live_data
    transfer = evidence.transfer.content if evidence.transfer is not None else None
    if live is not None and transfer is not None:
        # Another tool's entry for the same folder counts: the database keeps only one of them.
        known = [entry for entry in evidence.entries if entry.get("host") == sources.host]
        if not any(
            entry.get("type") == run_document.LIVE and _is_at(entry, live.parent) for entry in known
        ):
            missing.append((live, publish.live_entry(transfer, sources.host)))
    for path, entry in missing:
        yield Disagreement(
            evidence.run,
            "not registered",
            f"{path} is not registered in data of the run document",
            "an entry is added to data",
            partial(sources.database.add_data, evidence.number, entry),
        )


def without_data(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find entries whose folder is missing or damaged, or has another lineage or size."""
    for entry in evidence.entries_of(sources.host):
        location = Path(str(entry.get("location")))
        folder = location / evidence.run if entry["type"] == run_document.LIVE else location
        why = _not_as_told(entry, folder)
        if why is None:
            continue
        what = f"{entry['type']} in data of the run document: {why}"
        if not folder.is_dir() and is_away(folder.parent):
            yield Disagreement(evidence.run, "registered, not stored", what, MOUNTED)
            continue
        yield Disagreement(
            evidence.run,
            "registered, not stored",
            what,
            "the entry moves to processing.gone of the run document",
            partial(
                sources.database.remove_data, evidence.number, entry, reason=why, by=sources.by
            ),
        )


def no_list(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find `data` that is not a list, so that no entry can be added."""
    data = run_document.data(evidence.document or {})
    if data is not None and not isinstance(data, list):
        yield Disagreement(
            evidence.run,
            "data of the run document",
            f"data of the run document is {data!r:.60}, expected a list",
            "correct the document by hand",
        )


def _is_at(entry: Document, path: Path) -> bool:
    """Return whether an entry names a folder, possibly by a different path."""
    location = str(entry.get("location"))
    if location == str(path):
        return True
    try:
        return Path(location).name == path.name and Path(location).samefile(path)
    except (OSError, ValueError):
        return False


def _not_as_told(entry: Document, folder: Path) -> str | None:
    """Return what is wrong in an entry about a folder, or None if it is correct."""
    try:
        if not folder.is_dir():
            return f"{folder} is missing"
        if entry["type"] == run_document.LIVE:
            return None
        facts = strax_folder.check(folder)
    except BadDataError as error:
        return without_run(error, folder.name.partition("-")[0])
    except (OSError, ValueError) as error:
        return f"{folder} cannot be read ({error})"
    for key in ("lineage_hash", "n_chunks", "n_items"):
        if entry.get(key) != facts[key]:
            return f"{key} of {folder} is {facts[key]}, not {entry.get(key)}"
    return None
