"""A tunnel to a run database that is only reachable from a host with ssh.

pymongo connects to a Unix socket in a private folder, so that nobody else on a shared login node
can use the tunnel; each of its connections becomes a channel of one ssh connection.
"""

import logging
import shutil
import socket
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import paramiko

from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.remote import ssh
from xamsflow.settings.config import SshHost

logger = logging.getLogger(__name__)

CHANNEL_TIMEOUT = 15.0
"""Seconds after which a channel that does not open means that the connection is dead."""

PAUSE_S = 10.0
"""Time between two attempts to reconnect: servers lock out clients that connect too often."""

SOCKET_PATH_MAX = 100
"""Bytes; Linux's sockaddr_un holds 107, and paths in the temporary folder can be long."""

BLOCK = 1 << 16

# Results of opening a channel, RFC 4254 section 5.1.
ADMINISTRATIVELY_PROHIBITED = 1
CONNECT_FAILED = 2


class Tunnel:
    """An open tunnel; the Unix socket `socket_path` leads to the server at its other end."""

    def __init__(self, socket_path: Path, link: "_Link") -> None:
        self.socket_path = socket_path
        self._link = link

    @property
    def failure(self) -> XamsflowError | None:
        """Why the last connection attempt failed, or None after a successful one."""
        return self._link.failure


@contextmanager
def opened(via: SshHost, host: str, port: int) -> Iterator[Tunnel]:
    """Hold a tunnel through `via` to host:port as seen from there.

    A lost ssh connection is reopened when it is needed, at most once per PAUSE_S. Raises what
    :func:`xamsflow.remote.ssh.connect` raises if the first connection fails.
    """
    link = _Link(via, (host, port))
    with ExitStack() as stack:
        stack.callback(link.close)
        link.connect()
        folder = _private_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = folder / "mongod.sock"  # pymongo recognizes a socket by this suffix
        server = stack.enter_context(_Forwarder(path, link))
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        stack.callback(server.shutdown)
        yield Tunnel(path, link)


class _Link:
    """The ssh connection, reopened after it was lost."""

    def __init__(self, via: SshHost, destination: tuple[str, int]) -> None:
        self._via = via
        self._destination = destination
        self._lock = threading.Lock()
        self._connection = ExitStack()
        self._transport: paramiko.Transport | None = None
        self._not_before = 0.0
        self._closed = False
        self.failure: XamsflowError | None = None

    def connect(self) -> paramiko.Transport:
        """Return the connection, reopened if it is not active."""
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            if self._closed or (self.failure is not None and time.monotonic() < self._not_before):
                raise self.failure or TransientError("the tunnel is closed")
            self._connection.close()
            try:
                client = self._connection.enter_context(ssh.connect(self._via))
            except XamsflowError as error:
                self.failure = error
                self._not_before = time.monotonic() + PAUSE_S
                raise
            self._transport = client.get_transport()
            assert self._transport is not None, "a connected client has a transport"
            return self._transport

    def open_channel(self) -> paramiko.Channel:
        """Return a new channel to the destination; raise XamsflowError if none can be opened."""
        transport = self.connect()
        host, port = self._destination
        via = ssh.describe(self._via)
        try:
            channel = transport.open_channel(
                "direct-tcpip", self._destination, ("127.0.0.1", 0), timeout=CHANNEL_TIMEOUT
            )
        except paramiko.ChannelException as error:
            if error.code == ADMINISTRATIVELY_PROHIBITED:
                self.failure = ConfigurationError(
                    f"{via} does not allow tunnels to {host}:{port}",
                    "ask its administrator to set AllowTcpForwarding and PermitOpen in sshd_config",
                )
            else:
                self.failure = TransientError(
                    f"{host}:{port}, as seen from {via}, does not respond",
                    "is MongoDB running there?",
                )
            raise self.failure from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()  # otherwise a dead connection would be kept forever
            self.failure = TransientError(f"the tunnel through {via} broke", "try again")
            raise self.failure from error
        self.failure = None
        return channel

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._connection.close()


class _Forwarder(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Gives each connection to the socket its own channel."""

    daemon_threads = True

    def __init__(self, path: Path, link: _Link) -> None:
        self.link = link
        super().__init__(str(path), _Connection)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # The default prints a traceback to the terminal; pymongo reports the broken connection.
        logger.debug("a connection through the tunnel broke", exc_info=True)


class _Connection(socketserver.BaseRequestHandler):
    server: _Forwarder

    def handle(self) -> None:
        try:
            channel = self.server.link.open_channel()
        except XamsflowError:
            return  # kept as the link's failure; pymongo sees a closed connection
        with channel:
            back = threading.Thread(target=_copy, args=(channel, self.request), daemon=True)
            back.start()
            _copy(self.request, channel)
            back.join()


class _Stream(Protocol):
    """What sockets and channels have in common."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...


def _copy(source: _Stream, sink: _Stream) -> None:
    """Forward data, then the end; a broken connection ends both directions."""
    how = socket.SHUT_WR
    try:
        while data := source.recv(BLOCK):
            sink.sendall(data)
    except (OSError, EOFError, paramiko.SSHException):
        how = socket.SHUT_RDWR
        with suppress(OSError, EOFError):
            source.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, EOFError):
        sink.shutdown(how)


def _private_folder() -> Path:
    """Return a new folder that only this user can enter, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="xamsflow-"))
    if len(str(folder)) > SOCKET_PATH_MAX - len("/mongod.sock"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="xamsflow-", dir="/tmp"))
    return folder
