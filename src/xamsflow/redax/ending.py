"""Detection of whether redax has finished writing a run.

Each thread of a reader writes its files to every chunk's folder and, last of all, its file in
THE_END. A thread without data writes nothing at all, so a missing thread may be either idle or
late.
"""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from xamsflow.base.errors import BadDataError, StillTakenError
from xamsflow.redax.listing import THE_END, Listing
from xamsflow.redax.rundoc import NS_PER_S, Run

UNFINISHED = "_temp"
"""Suffix of the folders in which redax writes files before it moves them into place."""

CRASHED_AFTER = timedelta(minutes=10)
"""Time after a run's end during which redax may still write buffered data."""

IDLE_AFTER = timedelta(minutes=1)
"""Time without changes after a run's end; then threads that wrote nothing are considered idle."""


def check(run: Run, listing: Listing, where: str, now: datetime) -> list[str]:
    """Return the files in THE_END, sorted, if the run is complete.

    An empty folder is complete too: redax makes it at the start of a run, and no reader got data.
    Raises StillTakenError while redax is or may be writing, BadDataError if it stopped halfway or
    if files are not from the readers in the run document. `where` names the folder.
    """
    if run.end is None:
        raise StillTakenError(f"run {run.number:06d} is still being taken", "wait until it ends")
    since_end = now - datetime.fromtimestamp(run.end / NS_PER_S, UTC)
    threads, finished, unfinished_files = _sort(run, listing, where)
    flushing = f"it ended less than {CRASHED_AFTER.seconds // 60} min ago; try again later"

    missing = sorted(threads - finished)
    if missing:
        what = f"{where}: {THE_END} lacks {', '.join(missing)}"
        if since_end < CRASHED_AFTER:
            raise StillTakenError(what, flushing)
        raise BadDataError(what, "these readers did not finish because the DAQ crashed")
    if not threads and listing.folders:
        what = f"{where} contains folders but no files"
        if since_end < CRASHED_AFTER:
            raise StillTakenError(what, flushing)
        raise BadDataError(what, "the DAQ crashed before it wrote data")
    if unfinished_files:
        raise BadDataError(
            f"{where}: {unfinished_files[0]} is unfinished", "redax could not move it into place"
        )
    return sorted(finished)


def may_begin(run: Run, listing: Listing, where: str, now: datetime) -> bool:
    """Return whether a thread of a complete run may be late, that is, has not written anything yet.

    The run's end is measured by the DAQ's clock and `now` by another clock. Such a run is therefore
    watched for `IDLE_AFTER`, unless it ended so long ago that clock differences do not matter.
    """
    assert run.end is not None, "checked before"
    threads, _, _ = _sort(run, listing, where)
    since_end = now - datetime.fromtimestamp(run.end / NS_PER_S, UTC)
    return len(threads) < sum(run.readers.values()) and since_end < CRASHED_AFTER


def _sort(run: Run, listing: Listing, where: str) -> tuple[set[str], set[str], list[str]]:
    """Return all threads, those that have finished, and files that are not yet in place."""
    threads: dict[str, set[str]] = defaultdict(set)
    finished: set[str] = set()
    unfinished_files = []
    for path in listing.files:
        folder, _, name = path.rpartition("/")
        reader, _, thread = name.rpartition("_")
        known = reader in run.readers and re.fullmatch(r"\d+", thread, flags=re.ASCII)
        if not known or not folder or "/" in folder:
            raise BadDataError(
                f"{where}: {path!a} is not from a reader of this run",
                f"the run document has {', '.join(sorted(run.readers))}, and files are named "
                "<folder>/<reader>_<thread>",
            )
        threads[reader].add(name)
        if len(threads[reader]) > run.readers[reader]:
            raise BadDataError(
                f"{where}: {path} is from one thread more than the {run.readers[reader]} "
                f"configured for {reader}",
                "the folder may contain two runs",
            )
        if folder == THE_END:
            finished.add(name)
        elif folder.endswith(UNFINISHED):
            unfinished_files.append(path)
    return set().union(*threads.values()), finished, unfinished_files
