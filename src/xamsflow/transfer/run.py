"""The transfer of one run: list, copy, compare, move into place, and write a receipt."""

import hashlib
import logging
import os
import posixpath
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from xamsflow.base import clock, system_errors
from xamsflow.base.durable import sync
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    XamsflowError,
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
    one fails, from the next. A run that already exists here is compared, not copied; an
    interrupted copy is continued. Nothing is deleted or overwritten on any host. `compared` in the
    receipt says how source and destination were compared: ``checksums``, ``in place`` (they are
    the same folder), ``source gone`` (no source has the run, or its document lists only the copy
    here) or ``source away`` (a source that may have it did not respond); in the last two cases the
    copy here is complete according to its THE_END. `source` there names the source, and why nearer
    ones were passed over. `settings` are those of the run database that holds the document, `now`
    is its clock. If a thread has written nothing, the ended run must stay unchanged for
    `idle_after`. `meter` receives the progress.

    Raises StillTakenError while the DAQ may still write, BadDataError if the run is incomplete or
    differs from the local copy, TransientError if a disk is unavailable or a host without which the
    run cannot be transferred, ResourcesError on a full disk, ConfigurationError for wrong paths,
    keys and access rights, and if the destination holds another run's data.
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
        logger.info("transferring run %s from %s (%s)", run_id, found.name, found.folder)
        may_begin = ending.may_begin(run, found.listing, str(found.folder), now())
        until = time.monotonic() + idle_after.total_seconds() if may_begin else None
        try:
            compared, copied = _bring(
                found, destination, whose, meter, until, several=len(sources) > 1
            )
        except _SourceFailed as failed:
            if found.name == DAQ and isinstance(failed.error, StillTakenError):
                raise failed.error from failed
            search.pass_over(found.name, failed.error)
            logger.warning("cannot copy from %s: %s", found.name, failed.error)
            continue
        name, folder, listing, the_end = found.name, found.folder, found.listing, found.the_end
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
        logger.info("not copied from %s", one)
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


class _SourceFailed(Exception):  # noqa: N818 - the error is what it holds
    """A source cannot provide the run; another one may."""

    def __init__(self, error: XamsflowError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _from_source() -> Iterator[None]:
    """Raise _SourceFailed for errors, unless this machine is the cause."""
    try:
        yield
    except XamsflowError as error:
        if isinstance(error, ResourcesError) or rsync.is_here(error):
            raise
        raise _SourceFailed(error) from error


def _bring(
    found: Found,
    destination: Path,
    whose: identity.Identity,
    meter: Meter,
    until: float | None,
    *,
    several: bool,
) -> tuple[str, int]:
    """Copy a run, or compare it if it is here; return how it was compared and the bytes sent.

    If a thread may be late, the run must stay unchanged until `until` (s, monotonic). `several`:
    an earlier copy may have come from another source. Raises _SourceFailed if another one may help.
    """
    there, listing = found.folder, found.listing
    exists = os.path.lexists(destination)
    here = Folder(None, os.path.realpath(destination))
    in_place = there == here
    if not in_place:
        identity.hold_folder(destination.parent, whose)
    if not exists:
        arriving = _arriving(destination)
        if several:
            _set_aside_others(arriving, listing)
        return CHECKSUMS, _copy(found, arriving, destination, meter, until or 0.0)
    if until is not None:
        with _from_source():
            _check_unchanged(there, listing, until)
    if in_place:
        return IN_PLACE, 0
    difference = _difference(there, listing, here)
    if difference is not None:
        raise _differs(found, here, difference, destination.name)
    return CHECKSUMS, 0


def _without_source(search: Search, destination: Path) -> str:
    """Return why a run that is here is not compared with any source.

    Raises the search's error if the run is not here, or if something is wrong with the DAQ's copy.
    """
    wrong = [one for one in search.passed_over if not (one.gone or one.away)]
    if not os.path.lexists(destination) or any(one.name == DAQ for one in wrong):
        raise search.error()
    return SOURCE_AWAY if any(one.away for one in search.passed_over) else SOURCE_GONE


def _arriving(destination: Path) -> Path:
    """Return the folder next to the destination in which a run arrives; create it if needed."""
    arriving = layout.incoming(destination.parent, destination.name)
    try:
        arriving.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", arriving, error) from error
    return arriving


def _set_aside_others(arriving: Path, listing: Listing) -> None:
    """Set aside what is not in the listing of a source: a copy from another source left it."""
    found = _listing(Folder(None, os.path.realpath(arriving)))
    others = (found.files.keys() - listing.files.keys()) | (found.folders - listing.folders)
    aside = layout.set_aside(arriving)
    for path in sorted(one for one in others if posixpath.dirname(one) not in others):
        logger.warning("%s is not at this source: moved to %s", arriving / path, aside / path)
        try:
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (arriving / path).rename(aside / path)
        except OSError as error:
            raise system_errors.cannot("write", arriving / path, error) from error


def _copy(found: Found, arriving: Path, destination: Path, meter: Meter, until: float) -> int:
    """Copy into `arriving`, compare, rename to `destination`; return the bytes sent.

    The rename happens no earlier than `until` (s, monotonic).
    """
    there, listing = found.folder, found.listing
    incoming = Folder(None, os.path.realpath(arriving))
    logger.info("copying %.1f MB from %s to %s", listing.size / 1e6, there, incoming)

    def on_bytes(done: int) -> None:
        meter.reach(COPYING, done, listing.size)

    on_bytes(0)
    with _from_source():
        copied = rsync.copy(there, Path(incoming.path), on_bytes=on_bytes)
    meter.reach(COMPARING, 0, listing.size)
    difference = _difference(there, listing, incoming)
    if difference is not None:
        # Equal size and time but different content: a power cut during an earlier attempt.
        logger.warning("%s; copying the files that differ again", difference)
        with _from_source():
            copied += rsync.copy(there, Path(incoming.path), by_checksum=True)
        difference = _difference(there, listing, incoming)
    with _from_source():
        _check_unchanged(there, listing, until)
        if difference is not None:
            raise _differs(found, incoming, difference, destination.name)
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
    with _from_source():
        different = rsync.differences(there, Path(here.path))
    return f"the content of {different[0]} differs" if different else None


def _differs(found: Found, here: Folder, difference: str, run: str) -> BadDataError:
    whose = "the DAQ's" if found.name == DAQ else f"that of {found.name}"
    first = "" if found.nearest else f"put {found.name} first in sources, then "
    return BadDataError(
        f"{here} differs from {found.folder}: {difference}",
        f"nothing was overwritten; find out which is right; if it is {whose}: {first}xamsflow "
        f"retransfer {run}",
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
