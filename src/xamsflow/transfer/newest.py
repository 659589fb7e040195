"""Which folders of a growing run may hold files that are not copied yet.

The DAQ host is queried through one connection, and the cost of a query does not depend on the
length of the run: it reads the times of the run's folder, the folders that changed lately, and
those that redax creates next. The list of all folders, which takes seconds for a run of many hours,
is read once.

Over SFTP, times are in seconds, so a folder may change twice at one time. Until this is no longer
possible, its files are compared, too.
"""

import os
import posixpath
import re
import stat
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
"""Time after which another change of a folder also changes its modification time."""

RECENT_S = 60.0
"""How long a folder may receive files without a change of the run's folder itself."""

NEXT = 3
"""How many chunks in a row may lack all folders although later ones exist."""

_Files = frozenset[tuple[str, int | None, float]]
"""The files in a folder: name, size, time of change."""

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
        self._fresh: dict[str, _Files] = {}
        """Folders whose time may not show their next change, with their files."""
        self._chunk: int | None = None
        """The newest chunk that has a folder; None before the first look."""

    def look(self) -> frozenset[str]:
        """Return the names of the folders that have changed and are not :meth:`done`.

        Raises StillTakenError if the run has no folder yet, TransientError if the host cannot be
        reached.
        """
        try:
            return self._look(time.monotonic())
        except FileNotFoundError as error:
            raise StillTakenError(f"{self._run} is missing", "try again") from error
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            self.close()
            if self._run.host is None:
                raise
            raise source.lost(self._run.host, error) from error

    def _look(self, now: float) -> frozenset[str]:
        times = {"": self._time("")}
        if self._chunk is None:
            times |= self._list()
        elif times[""] != self._times[""] or "" in self._fresh:
            times |= self._next(self._chunk)
        recent = [name for name, seen in self._seen.items() if now - seen < RECENT_S]
        asked = [name for name in recent if name not in times]
        times |= self._times_of(asked)
        for name in asked:
            if name not in times:  # it was moved or removed
                self._forget(name)
        numbers = [int(found[1]) for name in times if (found := _CHUNK.fullmatch(name))]
        self._chunk = max([self._chunk or 0, *numbers])
        for name, changed in times.items():
            if self._times.get(name) != changed:
                is_recent = name in self._times or self._is_recent(name)
                self._seen[name] = now if is_recent else now - RECENT_S
                self._times[name] = changed
                self._new.add(name)
                if is_recent:
                    self._fresh[name] = frozenset()
        self._compare_files(now)
        return frozenset(self._new - {""})

    def _compare_files(self, now: float) -> None:
        """Check the fresh folders, for the last time once they are old enough."""
        for name, before in list(self._fresh.items()):
            files = self._files(name) if name else frozenset()
            if files is None:
                self._forget(name)
                continue
            if files != before:
                self._new.add(name)
            if now - self._seen[name] < SETTLED_S:
                self._fresh[name] = files
            else:
                del self._fresh[name]

    def done(self, names: frozenset[str]) -> None:
        """Record that these folders were copied after the latest check."""
        self._new -= names

    def _forget(self, name: str) -> None:
        del self._seen[name], self._times[name]
        self._fresh.pop(name, None)
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

    def _files(self, name: str) -> _Files | None:
        """Return the files in a folder, None if it is no longer there."""
        path = posixpath.join(self._run.path, name)
        sftp = self._connection()
        try:
            if sftp is not None:
                entries = sftp.listdir_attr(path)
                return frozenset((one.filename, one.st_size, one.st_mtime or 0) for one in entries)
            with os.scandir(path) as found:
                about = [(entry.name, entry.stat()) for entry in found]
            return frozenset((name, one.st_size, one.st_mtime) for name, one in about)
        except FileNotFoundError:
            return None

    def _is_recent(self, name: str) -> bool:
        """Return whether redax may still add files to a folder that is seen for the first time."""
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
                found = self._times_of(entry.name for entry in entries if entry.is_dir())
        else:
            listed = sftp.listdir_attr(self._run.path)
            folders = (one for one in listed if stat.S_ISDIR(one.st_mode or 0))
            found = {one.filename: one.st_mtime or 0 for one in folders}
        return {name: time for name, time in found.items() if not name.endswith(UNFINISHED)}
