"""Which of a run's stored lineages is in use, that is, which one analysts get.

Usually, this is the lineage of the current settings and software, and there is no record. While a
run is reprocessed beside its published data, a record next to the strax data keeps the earlier
lineage in use until somebody accepts the new one.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from xamsflow.base import clock, system_errors
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.state import layout, receipts, strax_folder

VERSION = 1
"""The version of the file format."""

Which = Literal["old", "new"] | None
"""A lineage of a run: ``old`` is the kept one, ``new`` that of the current settings; None is the
one in use."""

Hashes = Mapping[str, str]
"""The lineage hash of each data type."""

NONE: Hashes = {}


@dataclass(frozen=True)
class Kept:
    """The earlier lineage of a run: `earlier` has the lineage hash of each data type.

    It remains in use until `accepted`. `by`, `time` (ISO 8601) and `reason` describe the last
    change.
    """

    run_id: str
    earlier: Hashes
    accepted: bool
    by: str
    time: str
    reason: str = ""


def hashes(processed: Path, run: str, which: Which = None) -> Hashes:
    """Return the hashes that replace those of the current settings and software, by data type.

    The result is empty if the current settings apply. Raises BadDataError if the record is damaged.
    """
    if which == "new":
        return NONE
    found = read(processed, run)
    if found is None or (found.accepted and which is None):
        return NONE
    return found.earlier


def folder(processed: Path, run: str, data_type: str, lineage_hash: str) -> Path:
    """Return the folder of a data type with this lineage hash."""
    return processed / f"{run}-{data_type}-{lineage_hash}"


def read(processed: Path, run: str) -> Kept | None:
    """Return the record of a run, or None; raises BadDataError if the record is damaged.

    The file is reread only if it has changed.
    """
    path = layout.lineage_file(processed, run)
    try:
        found = path.stat()
        return _read(path, run, found.st_mtime_ns, found.st_ino)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise system_errors.cannot("read", path, error) from error


def keep(processed: Path, run: str, by: str, reason: str = "") -> Kept:
    """Keep the published data of a run in use, even if it is reprocessed; return the record.

    The published data are those named in the receipts of the working directory. If an earlier
    lineage is already in use, it remains so, unless its data are gone. Raises ConfigurationError
    if no published data are stored.
    """
    before = read(processed, run)
    if before is not None and is_in_force(processed, before):
        return before
    earlier = to_keep(processed, run)
    return _write(processed, Kept(run, earlier, accepted=False, by=by, time=_now(), reason=reason))


def to_keep(processed: Path, run: str) -> dict[str, str]:
    """Return the result of :func:`published`; raises ConfigurationError if it is empty."""
    earlier = published(processed, run)
    if not earlier:
        raise ConfigurationError(
            f"run {run} has no data to keep: nothing that the receipts in "
            f"{layout.transfer_receipt(run).parent} list is in {processed}",
            "process the run first, or give the directory in which it was processed",
        )
    return earlier


def is_in_force(processed: Path, found: Kept) -> bool:
    """Return whether a record keeps an earlier lineage with stored data in use."""
    return not found.accepted and bool(stored(processed, found))


def stored(processed: Path, found: Kept) -> dict[str, str]:
    """Return the part of the earlier lineage whose data are stored."""
    return {
        data_type: lineage_hash
        for data_type, lineage_hash in found.earlier.items()
        if is_stored(folder(processed, found.run_id, data_type, lineage_hash))
    }


def accept(processed: Path, run: str, by: str, reason: str = "") -> Kept:
    """Switch to the lineage of the current settings; :func:`back` undoes it.

    User commands call :func:`xamsflow.operate.lineages.accept`, which requires a comparison. Raises
    ConfigurationError if no earlier lineage is kept.
    """
    return _change(processed, run, accepted=True, by=by, reason=reason)


def back(processed: Path, run: str, by: str, reason: str = "") -> Kept:
    """Switch back to the earlier lineage.

    Raises ConfigurationError if no earlier lineage is kept, or if its data are gone.
    """
    if not stored(processed, kept(processed, run)):
        raise ConfigurationError(
            f"the earlier data of run {run} are gone", "analysts keep the present data"
        )
    return _change(processed, run, accepted=False, by=by, reason=reason)


def published(processed: Path, run: str) -> dict[str, str]:
    """Return the lineage hashes of a run's receipts whose data are stored, by data type.

    Raises BadDataError if a receipt is damaged, TransientError if one is being moved.
    """
    made = receipts.of_data_types(run, ("stored", "time"))
    try:
        named = {
            data_type: facts["lineage_hash"]
            for receipt in sorted(made, key=lambda one: str(one["time"]))
            for data_type, facts in receipt["stored"].items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise BadDataError(
            f"run {run}: a receipt does not list what is stored ({error!r})",
            f"`xamsflow reconcile {int(run)} --repair`",
        ) from error
    return {
        data_type: lineage_hash
        for data_type, lineage_hash in named.items()
        if is_stored(folder(processed, run, data_type, lineage_hash))
    }


def is_stored(path: Path) -> bool:
    """Return whether a folder contains a data type; damaged files are detected only on reading."""
    return strax_folder.metadata_file(path).is_file()


def recorded(processed: Path) -> list[str]:
    """Return the runs that have a record, in ascending order."""
    parent = layout.lineage_file(processed, layout.run_id(0)).parent
    return sorted(path.stem for path in parent.glob("*.json") if layout.is_run_id(path.stem))


def kept_in_use(processed: Path) -> dict[str, Hashes]:
    """Return the earlier lineages that are in use, by run; damaged records are left out."""
    found = {}
    for run in recorded(processed):
        with suppress(XamsflowError):
            found[run] = hashes(processed, run)
    return {run: earlier for run, earlier in found.items() if earlier}


def kept(processed: Path, run: str) -> Kept:
    """Return the record of a run; raises ConfigurationError if there is none."""
    found = read(processed, run)
    if found is None:
        raise ConfigurationError(
            f"no earlier lineage of run {run} is kept",
            f"`xamsflow reprocess {int(run)} --beside` keeps one",
        )
    return found


def _change(processed: Path, run: str, *, accepted: bool, by: str, reason: str) -> Kept:
    found = kept(processed, run)
    if found.accepted == accepted:
        return found
    return _write(processed, replace(found, accepted=accepted, by=by, time=_now(), reason=reason))


def _write(processed: Path, record: Kept) -> Kept:
    path = layout.lineage_file(processed, record.run_id)
    receipts.write(path, {"version": VERSION} | asdict(record), shared=True)
    return record


def _now() -> str:
    return clock.now().isoformat(timespec="seconds")


@lru_cache(maxsize=100_000)
def _read(path: Path, run: str, _changed: int, _inode: int) -> Kept:
    try:
        content = receipts.read(path)
        if content.pop("version") != VERSION:
            raise ValueError("another version")
        receipts.check_text(content, ("run_id", "by", "time", "reason"))
        found = Kept(**content)
        if found.run_id != run:
            raise ValueError(f"run_id is {found.run_id}")
        if not isinstance(found.accepted, bool):
            raise TypeError(f"accepted is {found.accepted!r}")
        _check_hashes(found.earlier)
    except (AttributeError, BadDataError, KeyError, TypeError, ValueError) as error:
        why = error.what if isinstance(error, BadDataError) else error
        raise BadDataError(
            f"{path} does not say which data of run {run} analysts get ({why})",
            "restore it from a backup; or move it away, and the current settings apply",
        ) from error
    return found


def _check_hashes(found: Any) -> None:
    for data_type, lineage_hash in found.items():
        if not all(
            isinstance(name, str) and re.fullmatch(r"\w+", name, flags=re.ASCII)
            for name in (data_type, lineage_hash)
        ):
            raise ValueError(f"{data_type!r} has the lineage hash {lineage_hash!r}")
