"""Which folders of a growing run may hold files that are not copied yet.

All looks at the DAQ host go through one connection, and a look costs little while nothing is new:
only the run's folder and the folders that changed lately are asked for their times.
"""

import os
import posixpath
import time
from contextlib import ExitStack

import paramiko

from xamsflow.base.errors import StillTakenError
from xamsflow.transfer import source
from xamsflow.transfer.source import Folder

SETTLED_S = 2.0
"""A folder counts as new for this long after its time of change: over SFTP, times are seconds."""

RECENT_S = 60.0
"""How long a folder may get further files without a change of the run's folder itself."""


class Newest:
    """Watches the folders of one run; :meth:`close` ends the connection."""

    def __init__(self, run: Folder) -> None:
        self._run = run
        self._stack = ExitStack()
        self._sftp: paramiko.SFTPClient | None = None
        self._times: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self._new: set[str] = set()

    def look(self) -> frozenset[str]:
        """Return the names of the folders that have changed and are not :meth:`done`.

        Raises StillTakenError if the run has no folder yet, TransientError if the host cannot be
        reached.
        """
        now = time.monotonic()
        try:
            times = {"": self._time("")}
            if times[""] != self._times.get("") or now - self._seen[""] < SETTLED_S:
                times |= self._list()
            else:
                recent = [name for name, seen in self._seen.items() if now - seen < RECENT_S]
                times |= {name: self._time(name) for name in recent if name}
        except FileNotFoundError as error:
            raise StillTakenError(f"{self._run} or a folder in it is gone", "try again") from error
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            self.close()
            if self._run.host is None:
                raise
            raise source.lost(self._run.host, error) from error
        for name, changed in times.items():
            if self._times.get(name) != changed:
                self._times[name] = changed
                self._seen[name] = now
                self._new.add(name)
        return frozenset(self._new - {""})

    def done(self, names: frozenset[str], began: float) -> None:
        """Note that these folders were copied; the copy began at `began` (s, monotonic)."""
        self._new -= {name for name in names if began - self._seen[name] >= SETTLED_S}

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

    def _list(self) -> dict[str, int]:
        sftp = self._connection()
        if sftp is None:
            with os.scandir(self._run.path) as entries:
                return {entry.name: entry.stat().st_mtime_ns for entry in entries}
        return {one.filename: one.st_mtime or 0 for one in sftp.listdir_attr(self._run.path)}
