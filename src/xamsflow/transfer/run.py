"""The transfer of one run: list, copy, compare, move into place, and write a receipt."""

import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from xamsflow.base import clock, system_errors
from xamsflow.base.durable import sync
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    StillTakenError,
    TransientError,
)
from xamsflow.base.meter import Meter
from xamsflow.redax import ending, rundoc
from xamsflow.redax.listing import Listing
from xamsflow.rundb import identity
from xamsflow.settings.config import DAQ, Daq, Rundb, Source, Storage
from xamsflow.state import layout
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import rsync, source
from xamsflow.transfer.nearest import Found, Search
from xamsflow.transfer.source import Folder

logger = logging.getLogger(__name__)

CHECKSUMS = "checksums"
IN_PLACE = "in place"
SOURCE_GONE = "source gone"
SOURCE_AWAY = "source away"

COPYING = "copying"
COMPARING = "comparing"
READING = "reading checksums"


def transfer_run(
    document: Mapping[str, Any],
    daq: Daq,
    storage: Storage,
    meter: Meter | None = None,
    *,
    sources: Sequence[Daq | Source] = (),
    settings: Rundb | None = None,
    now: Callable[[], datetime] = clock.now,
    idle_after: timedelta = ending.IDLE_AFTER,
) -> Receipt:
    """Transfer a run to ``<storage.live_data>/<run_id>`` and return its receipt.

    The run is copied from the nearest of `sources` that has it complete (empty: the DAQ only); if
    one does not answer, from the next. A run that already exists here is compared, not copied; an
    interrupted copy is continued. Nothing is deleted or overwritten on any host. `compared` in the
    receipt says how source and destination were compared: ``checksums``, ``in place`` (they are
    the same folder), ``source gone`` (no source has the run, or its document lists only the copy
    here) or ``source away`` (a source that may have it did not answer); in the last two cases the
    copy here is complete according to its THE_END. `source` there names the source, and why nearer
    ones were passed over. `settings` are those of the run database that holds the document, `now`
    is its clock. If a thread has written nothing, the ended run must stay unchanged for
    `idle_after`. `meter` receives the progress.

    Raises StillTakenError while the DAQ may still write, BadDataError if the run is incomplete
    or differs from the local copy, TransientError if a disk is unavailable or a host without which
    the run cannot be had, ResourcesError on a full disk, ConfigurationError for wrong paths, keys
    and access rights, and if the destination holds another run's data.
    """
    started = time.monotonic()
    meter = meter or Meter()
    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    if run.end is None:
        raise StillTakenError(f"run {run_id} is still being taken: its document has no end yet")
    destination = Path(os.path.abspath(storage.live_data)) / run_id  # noqa: PTH100
    whose = identity.of_document(document, settings, daq)
    search = Search(document, daq, sources)
    for found in search.complete(now):
        logger.info("taking run %s from %s (%s)", run_id, found.name, found.folder)
        may_begin = ending.may_begin(run, found.listing, str(found.folder), now())
        until = time.monotonic() + idle_after.total_seconds() if may_begin else None
        try:
            compared, copied = _bring(found, destination, whose, meter, until)
        except TransientError as error:
            search.pass_over(found.name, error)
            logger.warning("cannot copy from %s: %s", found.name, error)
            continue
        name, folder, listing = found.name, found.folder, found.listing
        the_end = ending.check(run, listing, str(folder), now())
        break
    else:
        compared, copied, name = _without_source(search, destination), 0, None
        here = Folder(None, os.path.realpath(destination))
        folder = here if search.on_daq is None else search.on_daq.folder(run_id)
        identity.hold_folder(destination.parent, whose)
        listing = _listing(here)
        the_end = ending.check(run, listing, str(here), now())
        if not the_end:
            raise BadDataError(f"{search.error().what}, and {here} is empty", "the data are lost")
    for one in search.passed_over:
        logger.info("not taken from %s", one)
    logger.info("reading the checksums of %d files", len(listing.files))
    files = _files(destination, listing, meter)

    return {
        "run_id": run_id,
        identity.KEY: identity.to_json(whose),
        "bytes": listing.size,
        "copied_bytes": copied,
        "duration_s": round(time.monotonic() - started, 3),
        "source": {
            "name": name,
            "host": folder.host_name,
            "path": folder.path,
            "passed_over": [str(one) for one in search.passed_over],
        },
        "destination": str(destination),
        "compared": compared,
        "the_end": the_end,
        "files": files,
        "run_document": rundoc.to_json(document),
        "versions": {"xamsflow": metadata.version("xamsflow"), "rsync": rsync.version()},
        "host": socket.gethostname(),
        "time": clock.now().isoformat(),
    }


def _bring(
    found: Found, destination: Path, whose: identity.Identity, meter: Meter, until: float | None
) -> tuple[str, int]:
    """Copy a run, or compare it if it is here; return how it was compared and the bytes sent.

    If a thread may be late, the run must stay unchanged until `until` (s, monotonic).
    """
    there, listing = found.folder, found.listing
    exists = os.path.lexists(destination)
    here = Folder(None, os.path.realpath(destination))
    in_place = there == here
    if not in_place:
        identity.hold_folder(destination.parent, whose)
    if not exists:
        return CHECKSUMS, _copy(there, listing, destination, meter, until or 0.0)
    if until is not None:
        _check_unchanged(there, listing, until)
    if in_place:
        return IN_PLACE, 0
    _compare(there, listing, here)
    return CHECKSUMS, 0


def _without_source(search: Search, destination: Path) -> str:
    """Return why a run that is here is not compared with any source.

    Raises the search's error if the run is not here, or if something is wrong with the DAQ's copy.
    """
    wrong = [one for one in search.passed_over if not (one.gone or one.away)]
    if not os.path.lexists(destination) or any(one.name == DAQ for one in wrong):
        raise search.error()
    return SOURCE_AWAY if any(one.away for one in search.passed_over) else SOURCE_GONE


def _copy(there: Folder, listing: Listing, destination: Path, meter: Meter, until: float) -> int:
    """Copy into a folder next to the destination, compare, rename; return the bytes sent.

    The rename happens no earlier than `until` (s, monotonic).
    """
    arriving = layout.incoming(destination.parent, destination.name)
    try:
        arriving.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", arriving, error) from error
    incoming = Folder(None, os.path.realpath(arriving))
    logger.info("copying %.1f MB from %s to %s", listing.size / 1e6, there, incoming)

    def on_bytes(done: int) -> None:
        meter.reach(COPYING, done, listing.size)

    on_bytes(0)
    copied = rsync.copy(there, Path(incoming.path), on_bytes=on_bytes)
    meter.reach(COMPARING, 0, listing.size)
    difference = _difference(there, listing, incoming)
    if difference is not None:
        # Equal size and time but different content: a power cut during an earlier attempt.
        logger.warning("%s; copying the files that differ again", difference)
        copied += rsync.copy(there, Path(incoming.path), by_checksum=True)
        difference = _difference(there, listing, incoming)
    _check_unchanged(there, listing, until)
    if difference is not None:
        raise _differs(there, incoming, difference)
    try:
        _make_durable(arriving, listing)
        arriving.rename(destination)
        sync(destination.parent)
    except OSError as error:
        raise system_errors.cannot("write", destination, error) from error
    return copied


def _check_unchanged(there: Folder, listing: Listing, until: float) -> None:
    """Raise StillTakenError if the DAQ has written files since `listing` was made.

    Waits until `until` (s, monotonic) before it looks.
    """
    wait = until - time.monotonic()
    if wait > 0:
        logger.info("waiting %.0f s for reader threads that have written nothing yet", wait)
        time.sleep(wait)
    if source.find(there.host, *os.path.split(there.path))[1] != listing:
        raise StillTakenError(
            f"{there} changed during the copy", "try again later; the copy then continues"
        )


def _compare(there: Folder, listing: Listing, here: Folder) -> None:
    """Raise BadDataError if an existing local copy differs from the run on the DAQ host."""
    difference = _difference(there, listing, here)
    if difference is not None:
        raise _differs(there, here, difference)


def _difference(there: Folder, listing: Listing, here: Folder) -> str | None:
    """Return the first difference between two folders: in names, sizes, then content."""
    logger.info("comparing %s with %s", here, there)
    found = _listing(here)
    for kind, theirs, ours in (
        ("file", set(listing.files), set(found.files)),
        ("folder", listing.folders, found.folders),
    ):
        for path in sorted(theirs ^ ours):
            return f"the {kind} {path!a} {'is missing' if path in theirs else 'exists only'} here"
    for path, file in listing.files.items():
        if found.files[path].size != file.size:
            return f"{path} has {file.size} bytes there, {found.files[path].size} here"
    different = rsync.differences(there, Path(here.path))
    return f"the content of {different[0]} differs" if different else None


def _differs(there: Folder, here: Folder, difference: str) -> BadDataError:
    return BadDataError(
        f"{here} differs from {there}: {difference}",
        "nothing was overwritten; find out which one is right; if it is the DAQ's: xamsflow "
        f"retransfer {Path(here.path).name}",
    )


def _listing(here: Folder) -> Listing:
    listing = source.find(None, *os.path.split(here.path))[1]
    if listing is None:
        raise ConfigurationError(f"{here} has disappeared", "is somebody else working on this run?")
    return listing


def _files(folder: Path, listing: Listing, meter: Meter) -> list[dict[str, Any]]:
    """Return path, size and checksum of each file for the receipt, sorted by path."""
    result = []
    done = 0
    for path, file in listing.files.items():
        meter.reach(READING, done, listing.size)
        done += file.size
        try:
            with (folder / path).open("rb") as content:
                checksum = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise system_errors.cannot("read", folder / path, error) from error
        result.append({"path": path, "size": file.size, "sha256": checksum})
    return result


def _make_durable(folder: Path, listing: Listing) -> None:
    """Sync everything in a folder to disk, so that a renamed folder is known to be complete."""
    for path in (*listing.files, *sorted(listing.folders, reverse=True)):
        sync(folder / path)
    sync(folder)
