"""List a run's folder, on another host or on this machine."""

import os
import posixpath
import socket
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import paramiko

from xamsflow.base import system_errors
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.redax.listing import File, Listing
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.remote import ssh
from xamsflow.settings.config import SshHost

SFTP_TIMEOUT = 60
"""Seconds until an unresponsive host counts as unreachable."""


@dataclass(frozen=True)
class Folder:
    """A folder on a host (None: this machine); `path` is free of symbolic links."""

    host: SshHost | None
    path: str

    def __str__(self) -> str:
        return f"{ssh.describe(self.host)}:{self.path}" if self.host else self.path

    @property
    def host_name(self) -> str:
        """The host's name; for None the name of this machine."""
        return self.host.host if self.host else socket.gethostname()


Look = Callable[[str, str], tuple["Folder", Listing | None]]
"""Lists a run's folder in a parent folder, see :func:`find`."""


def find(host: SshHost | None, parent: str, run: str) -> tuple[Folder, Listing | None]:
    """Return a run's folder in `parent` and its listing, or None if the folder does not exist.

    Raises TransientError if the host cannot be reached or `parent` itself is missing (its disk may
    not be mounted), BadDataError if the folder holds anything but files and folders.
    """
    with looking(host) as look:
        return look(parent, run)


@contextmanager
def looking(host: SshHost | None) -> Iterator[Look]:
    """List the folders of several runs through one connection."""
    if host is None:
        yield lambda parent, run: _find(
            None,
            os.path.abspath(parent),  # noqa: PTH100
            run,
            os.path.realpath,
            _scan_local,
        )
        return
    with sftp(host) as client:

        def look(parent: str, run: str) -> tuple[Folder, Listing | None]:
            if not parent.startswith("/"):
                raise ConfigurationError(
                    f"the folder {parent!r} on {ssh.describe(host)} is not an absolute path",
                    "correct live_data in the settings",
                )
            try:
                return _find(
                    host, parent, run, client.normalize, lambda path: _scan_sftp(client, path)
                )
            except (paramiko.SSHException, paramiko.SFTPError, EOFError) as error:
                raise lost(host, error) from error

        yield look


class Connections:
    """Lists folders on several hosts, over one connection each; an unreachable host is tried once.

    The connections last as long as the stack that they are given.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._looks: dict[SshHost | None, Look | XamsflowError] = {}

    def find(self, host: SshHost | None, parent: str, run: str) -> tuple[Folder, Listing | None]:
        """Return what :func:`find` returns, and raise the same errors."""
        if host not in self._looks:
            try:
                self._looks[host] = self._stack.enter_context(looking(host))
            except XamsflowError as error:
                self._looks[host] = error
        look = self._looks[host]
        if isinstance(look, XamsflowError):
            raise look
        return look(parent, run)


Entry = tuple[str, int, File]
"""Name, mode (type and permission bits), size and modification time."""


def _find(
    host: SshHost | None,
    parent: str,
    run: str,
    resolve: Callable[[str], str],
    scan: Callable[[str], Iterable[Entry]],
) -> tuple[Folder, Listing | None]:
    where = Folder(host, parent)
    try:
        # The SFTP server resolves a path without checking that it is a folder.
        folder = Folder(host, resolve(posixpath.join(resolve(parent), run)))
        first = list(scan(folder.path))
    except OSError as error:
        if isinstance(error, NotADirectoryError):
            raise BadDataError(
                f"{where}: {run} is not a folder", "check there what it is"
            ) from error
        if not isinstance(error, FileNotFoundError):
            raise system_errors.cannot("read", f"{where}/{run}", error) from error
        _check_parent(where, scan)
        return Folder(host, posixpath.join(parent, run)), None
    try:
        return folder, _walk(folder, first, scan)
    except FileNotFoundError as error:
        raise StillTakenError(
            f"{folder} changed while it was being listed", "try again later"
        ) from error
    except OSError as error:
        raise system_errors.cannot("read", f"{where}/{run}", error) from error


def _check_parent(parent: Folder, scan: Callable[[str], Iterable[Entry]]) -> None:
    """Raise if the parent folder is missing: then a missing run may still exist."""
    try:
        for _ in scan(parent.path):
            return
    except FileNotFoundError as error:
        raise TransientError(
            f"the folder {parent} is missing",
            "is its disk mounted? If the path is wrong, correct live_data in the settings",
        ) from error
    except OSError as error:
        raise system_errors.cannot("read", str(parent), error) from error


def _walk(folder: Folder, first: list[Entry], scan: Callable[[str], Iterable[Entry]]) -> Listing:
    folders: set[str] = set()
    files: dict[str, File] = {}
    pending = [("", first)]
    while pending:
        inside, entries = pending.pop()
        for name, mode, file in entries:
            path = posixpath.join(inside, name)
            if stat.S_ISDIR(mode):
                folders.add(path)
                pending.append((path, list(scan(posixpath.join(folder.path, path)))))
            elif stat.S_ISREG(mode):
                files[path] = file
            else:
                kind = "symbolic link" if stat.S_ISLNK(mode) else "device, pipe or socket"
                raise BadDataError(
                    f"{folder}: {path!a} is a {kind}", "redax writes only files and folders"
                )
    return Listing(frozenset(folders), dict(sorted(files.items())))


def _scan_local(path: str) -> Iterator[Entry]:
    with os.scandir(path) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            yield entry.name, status.st_mode, File(status.st_size, status.st_mtime_ns)


def _scan_sftp(sftp: paramiko.SFTPClient, path: str) -> Iterator[Entry]:
    try:
        entries = sftp.listdir_attr(path)
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"{path} contains a file whose name is not UTF-8: {error.object!r}"
        ) from error
    for entry in entries:
        changed = (entry.st_mtime or 0) * NS_PER_S
        yield entry.filename, entry.st_mode or 0, File(entry.st_size or 0, changed)


@contextmanager
def sftp(host: SshHost) -> Iterator[paramiko.SFTPClient]:
    """Hold an SFTP connection to a host; raises as :func:`xamsflow.remote.ssh.connect` does."""
    with ssh.connect(host) as client:
        try:
            opened = client.open_sftp()
        except paramiko.SFTPError as error:
            raise ConfigurationError(
                f"{ssh.describe(host)} does not speak SFTP ({error})",
                "a login file there (such as .bashrc) prints text: let it do so only on a terminal",
            ) from error
        except (paramiko.SSHException, EOFError) as error:
            transport = client.get_transport()
            if transport is None or not transport.is_active():
                raise lost(host, error) from error
            raise ConfigurationError(
                f"{ssh.describe(host)} offers no SFTP ({error})",
                "ask its administrator to enable it",
            ) from error
        channel = opened.get_channel()
        if channel is not None:
            channel.settimeout(SFTP_TIMEOUT)
        yield opened


def lost(host: SshHost, error: Exception) -> TransientError:
    """Return the error for a connection that has ended."""
    text = str(error) or type(error).__name__
    return TransientError(f"lost the connection to {ssh.describe(host)} ({text})", "try again")
