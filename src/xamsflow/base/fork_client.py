"""Run a script in a fork of the fork server: ``fork_client.py SCRIPT ARGUMENT…``.

The script runs as if this process ran it: with the same working directory, environment, streams and
end. Without a server, this process becomes the script. It must start fast: it imports nothing of
this project, and the modules below `socket` and `signal`, as these take longer to load than Python.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import os
import struct
import sys

TYPE_CHECKING = False  # without `typing`
if TYPE_CHECKING:
    from typing import NoReturn

VARIABLE = "XAMSFLOW_FORK_SERVER"
"""Names the server's socket, in Linux's abstract namespace."""

CREDENTIALS = struct.Struct("3i")
"""What SO_PEERCRED says about the other side: process, user, group (unix(7))."""
NUMBER = struct.Struct("!Q")
"""A number on the socket: the length of a request in bytes, a process, or its wait status."""
STREAMS = struct.pack("3i", 0, 1, 2)
"""The standard streams, which are sent along with the length of a request."""


def main() -> None:
    """Run the script that the arguments name."""
    server = _connected()
    child = None if server is None else _ask(server)
    if server is None or child is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    _signal.signal(_signal.SIGTERM, lambda number, _frame: _pass_on(child, number))
    status = _told(server)
    if status is None:
        _wait(child)  # without the server, it is sent SIGTERM
        sys.exit(1)
    _end_as(status)


def is_own(connection: _socket.socket) -> bool:
    """Return whether a process of the same user is at the other end of a connection."""
    told = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[1]) == os.getuid()


def _connected() -> _socket.socket | None:
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    server = _socket.socket(_socket.AF_UNIX)
    try:
        server.connect("\0" + name)
    except OSError:  # it has ended
        return None
    return server if is_own(server) else None


def _ask(server: _socket.socket) -> int | None:
    """Return the process in which the server runs the script, None if the server has ended.

    Ctrl-C also reaches the script, which decides what to do. If there is no script yet, it ends
    this process: it may have ended the server, too.
    """
    stopped: list[int] = []
    _signal.signal(_signal.SIGINT, lambda number, _frame: stopped.append(number))
    request = {"argv": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    message = marshal.dumps(request)
    streams = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, STREAMS)
    try:
        server.sendmsg([NUMBER.pack(len(message))], [streams])
        server.sendall(message)
    except OSError:
        child = None
    else:
        child = _told(server)
    if child is not None:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        return child
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    if stopped:
        _end_as(stopped[0])
    return None


def _told(server: _socket.socket) -> int | None:
    """Return the next number that the server sends, None if it has ended."""
    try:
        told = server.recv(NUMBER.size, _socket.MSG_WAITALL)
    except OSError:
        return None
    return NUMBER.unpack(told)[0] if len(told) == NUMBER.size else None


def _pass_on(child: int, number: int) -> None:
    try:  # noqa: SIM105 - `contextlib` takes long to load, too
        os.kill(child, number)
    except ProcessLookupError:  # it has just ended
        pass


def _wait(child: int) -> None:
    """Wait for the end of a process that is not a child of this one."""
    import contextlib  # noqa: PLC0415 - rarely needed
    import select  # noqa: PLC0415

    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(child)], [], [])


def _end_as(status: int) -> "NoReturn":
    """End as a process with this wait status has ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
