"""Copy a run while it is being taken: copy the chunks that redax has finished, repeatedly.

The files go to the folder in which the transfer, after the run has ended, completes the copy and
compares everything. Following therefore saves time but decides nothing.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from xamsflow.base import clock, system_errors
from xamsflow.base.errors import BadDataError, StillTakenError, TransientError, XamsflowError
from xamsflow.redax import ending, rundoc
from xamsflow.redax.ending import UNFINISHED
from xamsflow.redax.listing import Listing
from xamsflow.redax.rundoc import Run
from xamsflow.rundb import identity
from xamsflow.settings.config import Daq, Follow, Rundb, Storage
from xamsflow.state import layout
from xamsflow.transfer import rsync, source
from xamsflow.transfer.nearest import parent_on_daq
from xamsflow.transfer.newest import Newest
from xamsflow.transfer.source import Folder

logger = logging.getLogger(__name__)


class Following:
    """Copies a run to this cluster while it is being taken.

    `document` is the run document as first read, `run` its parsed content. `folder` is the local
    folder in which the run grows: the DAQ's own folder if runs arrive there (`in_place`). `copied`
    is the number of bytes copied so far, 0 in place. `ended` is when the end of the run was noticed
    (s, monotonic), `duration` (ns) is set once the run is complete here; until then both are None.
    """

    def __init__(
        self,
        look: Callable[[], Mapping[str, Any]],
        daq: Daq,
        storage: Storage,
        timing: Follow,
        *,
        settings: Rundb | None = None,
        now: Callable[[], datetime] = clock.now,
        idle_after: timedelta = ending.IDLE_AFTER,
    ) -> None:
        """Prepare; `look` returns the current run document, `now` the time of its database.

        Raises the same errors as :func:`xamsflow.transfer.transfer_run`.
        """
        self._look = look
        self.document = look()
        self.run = rundoc.parse(self.document)
        self._timing = timing
        self._now = now
        self._idle_after_s = idle_after.total_seconds()
        self._run_id = layout.run_id(self.run.number)
        destination = Path(os.path.abspath(storage.live_data)) / self._run_id  # noqa: PTH100
        self._there, _ = source.find(daq.ssh, parent_on_daq(self.document, daq), self._run_id)
        self.in_place = self._there == Folder(None, os.path.realpath(destination))
        arriving = layout.incoming(destination.parent, destination.name)
        self.folder = Path(self._there.path) if self.in_place else arriving
        self.whose = identity.of_document(self.document, settings, daq)
        if not self.in_place:
            identity.check_folder(destination.parent, self.whose)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise system_errors.cannot("write", self.folder, error) from error
        self._newest = Newest(self._there)
        self.copied = 0
        self.ended: float | None = None
        self.duration: int | None = None
        self._next_look = 0.0
        self._seen: tuple[float, Listing | None] = (0.0, None)
        self._last_news = time.monotonic()
        self._warned = ""

    def bring(self) -> int | None:
        """Wait until the next copy is due, then copy new files.

        Returns the run's duration in ns once the run has ended and is complete here, None until
        then. Raises StillTakenError if no new data or end has appeared for `patience_s`,
        BadDataError if the run is incomplete or its document was changed.
        """
        time.sleep(max(0.0, self._next_look - time.monotonic()))
        self._next_look = time.monotonic() + self._timing.interval_s
        run = self._ask()
        # Copy after reading the document: once it has an end, redax is writing the last files.
        self._copy()
        if run is not None and run.end is not None and self._is_whole(run):
            self._copy(everything=True)  # also files that were written again
            self._newest.close()
            self.duration = run.end - run.start
        elif time.monotonic() - self._last_news > self._timing.patience_s:
            raise StillTakenError(
                f"run {self._run_id} has no end, and nothing was written for "
                f"{self._timing.patience_s:g} s",
                "check the DAQ; the run is processed once its document has an end",
            )
        return self.duration

    def _ask(self) -> Run | None:
        """Return the run as its document now describes it, or None if it is unreachable."""
        try:
            run = rundoc.parse(self._look())
        except TransientError as error:
            self._warn("continuing without the run document: %s", error)
            return None
        if run.end is not None and self.ended is None:
            self.ended = time.monotonic()
            self._last_news = self.ended
        if _what_is_read_by(run) != _what_is_read_by(self.run):
            raise BadDataError(f"the run document of {self._run_id} was changed during data taking")
        return run

    def _copy(self, *, everything: bool = False) -> None:
        """Copy new files; if the host cannot be reached, leave it to the next call.

        Looks only into folders that have changed, unless `everything` is compared.
        """
        try:
            names = self._newest.look()
            if not names and not everything:
                return
            if self.in_place:
                self._last_news = time.monotonic()
            else:
                self._fetch(None if everything else names)
            self._newest.done(names)
        except TransientError as error:  # also raised if redax moves a file during the copy
            self._warn("%s", error)

    def _fetch(self, names: frozenset[str] | None) -> None:
        """Copy these folders of the run, or all of it."""
        new = rsync.copy(self._there, self.folder, without=f"*{UNFINISHED}/*", only=names)
        self.copied += new
        if new:
            self._last_news = time.monotonic()

    def _warn(self, text: str, error: XamsflowError) -> None:
        """Log an error, unless it is the same as the last one."""
        if str(error) != self._warned:
            logger.warning(text, error)
        self._warned = str(error)

    def _is_whole(self, run: Run) -> bool:
        _, listing = source.find(None, str(self.folder.parent), self.folder.name)
        if listing is None:
            return False
        try:
            ending.check(run, listing, str(self._there), self._now())
        except StillTakenError as error:
            logger.info("%s", error)
            return False
        if listing != self._seen[1]:
            self._seen = (time.monotonic(), listing)
        unchanged_s = time.monotonic() - self._seen[0]
        return unchanged_s >= self._idle_after_s or not ending.may_begin(
            run, listing, str(self._there), self._now()
        )


def _what_is_read_by(run: Run) -> Run:
    return replace(run, end=None, tags=(), rate=None, mode="", boards=())
