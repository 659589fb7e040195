"""Which folders of a growing run may hold files that are not copied yet.

All looks at the DAQ host go through one connection, and what a look costs does not depend on the
length of the run: only the run's folder, the folders that changed lately, and those that redax
makes next are asked for their times. The list of all folders, which takes seconds for a run of many
hours, is read once.
"""

import os
import posixpath
import re
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress

import paramiko

from xamsflow.base.errors import StillTakenError
from xamsflow.redax.ending import UNFINISHED
from xamsflow.redax.listing import MAIN, POST, PRE, THE_END
from xamsflow.transfer import source
from xamsflow.transfer.source import Folder

SETTLED_S = 2.0
"""A folder counts as new for this long after its time of change: over SFTP, times are seconds."""

RECENT_S = 60.0
"""How long a folder may get further files without a change of the run's folder itself."""

NEXT = 3
"""How many chunks in a row may lack all folders although later ones exist."""

_CHUNK = re.compile(rf"(\d{{6}})({MAIN}|{POST}|{PRE})", re.ASCII)


class Newest:
    """Watches the folders of one run; :meth:`close` ends the connection."""

    def __init__(self, run: Folder) -> None:
        self._run = run
        self._stack = ExitStack()
        self._sftp: paramiko.SFTPClient | None = None
        self._times: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self._new: set[str] = set()
        self._chunk: int | None = None
        """The newest chunk that has a folder; None before the first look."""

    def look(self) -> frozenset[str]:
        """Return the names of the folders that have changed and are not :meth:`done`.

        Raises StillTakenError if the run has no folder yet, TransientError if the host cannot be
        reached.
        """
        now = time.monotonic()
        try:
            times = {"": self._time("")}
            recent = [name for name, seen in self._seen.items() if now - seen < RECENT_S]
            if self._chunk is None:
                times |= self._list()
            elif times[""] != self._times.get("") or now - self._seen[""] < SETTLED_S:
                times |= self._next(self._chunk)
            asked = [name for name in recent if name and name not in times]
            times |= self._times_of(asked)
            for name in asked:
                if name not in times:  # it was moved or removed
                    self._forget(name)
        except FileNotFoundError as error:
            raise StillTakenError(f"{self._run} is missing", "try again") from error
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            self.close()
            if self._run.host is None:
                raise
            raise source.lost(self._run.host, error) from error
        numbers = [int(found[1]) for name in times if (found := _CHUNK.fullmatch(name))]
        self._chunk = max([self._chunk or 0, *numbers])
        for name, changed in times.items():
            if self._times.get(name) != changed:
                is_recent = name in self._times or self._is_recent(name)
                self._seen[name] = now if is_recent else now - RECENT_S
                self._times[name] = changed
                self._new.add(name)
        return frozenset(self._new - {""})

    def done(self, names: frozenset[str], began: float) -> None:
        """Note that these folders were copied; the copy began at `began` (s, monotonic)."""
        self._new -= {name for name in names if began - self._seen[name] >= SETTLED_S}

    def _forget(self, name: str) -> None:
        del self._seen[name], self._times[name]
        self._new.discard(name)

    def close(self) -> None:
        """End the connection; the next look opens another one."""
        self._sftp = None
        self._stack.close()

    def _connection(self) -> paramiko.SFTPClient | None:
        if self._sftp is None and self._run.host is not None:
            self._sftp = self._stack.enter_context(source.sftp(self._run.host))
        return self._sftp

    def _time(self, name: str) -> int:
        path = posixpath.join(self._run.path, name)
        sftp = self._connection()
        if sftp is None:
            return os.stat(path).st_mtime_ns  # noqa: PTH116
        return sftp.stat(path).st_mtime or 0

    def _is_recent(self, name: str) -> bool:
        """Tell whether redax may still add files to a folder that is seen for the first time."""
        found = _CHUNK.fullmatch(name)
        assert self._chunk is not None
        return found is None or int(found[1]) + NEXT >= self._chunk

    def _next(self, chunk: int) -> dict[str, int]:
        """Return the times of the folders from a chunk on, and of the last one of a run."""
        times = self._times_of([THE_END])
        empty = 0
        while empty <= NEXT:
            found = self._times_of([f"{chunk:06d}{kind}" for kind in (MAIN, POST, PRE)])
            times |= found
            empty = 0 if found else empty + 1
            chunk += 1
        return times

    def _times_of(self, names: Iterable[str]) -> dict[str, int]:
        """Return the times of those folders that exist."""
        times = {}
        for name in names:
            with suppress(FileNotFoundError):
                times[name] = self._time(name)
        return times

    def _list(self) -> dict[str, int]:
        """Return the times of all folders but those of chunks that redax has not finished."""
        sftp = self._connection()
        if sftp is None:
            with os.scandir(self._run.path) as entries:
                found = self._times_of(entry.name for entry in entries)
        else:
            listed = sftp.listdir_attr(self._run.path)
            found = {one.filename: one.st_mtime or 0 for one in listed}
        return {name: time for name, time in found.items() if not name.endswith(UNFINISHED)}
