"""Run a script in a fork of the fork server: ``fork_client.py SCRIPT ARGUMENT…``.

The script runs as if this process ran it: with the same working directory, environment, streams and
end. Without a server, this process becomes the script. It must start fast, so it imports nothing of
this project.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import NoReturn

VARIABLE = "XAMSFLOW_FORK_SERVER"
"""Names the server's socket, in Linux's abstract namespace."""

CREDENTIALS = struct.Struct("3i")
"""What SO_PEERCRED says about the other side: process, user, group (unix(7))."""
LENGTH = struct.Struct("!Q")
"""The length of a request, in bytes; the streams are sent along with it."""


def main() -> None:
    """Run the script that the arguments name."""
    server = _connected()
    child = None if server is None else _ask(server)
    if server is None or child is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    signal.signal(signal.SIGTERM, lambda number, _frame: _pass_on(child, number))
    status = server.makefile("r").readline()
    if not status:
        _wait(child)  # without the server, it is sent SIGTERM
        sys.exit(1)
    _end_as(int(status))


def is_own(connection: socket.socket) -> bool:
    """Tell whether a process of the same user is at the other end of a connection."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(told)[1]) == os.getuid()


def _connected() -> socket.socket | None:
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect("\0" + name)
    except OSError:  # it has ended
        return None
    return server if is_own(server) else None


def _ask(server: socket.socket) -> int | None:
    """Return the process in which the server runs the script, None if the server has ended.

    Ctrl-C also reaches the script, which decides what to do. If there is no script yet, it ends
    this process: it may have ended the server, too.
    """
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: stopped.append(number))
    request = {"argv": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    message = json.dumps(request).encode()
    try:
        socket.send_fds(server, [LENGTH.pack(len(message))], [0, 1, 2])
        server.sendall(message)
        told = server.recv(LENGTH.size, socket.MSG_WAITALL)
    except OSError:
        told = b""
    if len(told) == LENGTH.size:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return int(LENGTH.unpack(told)[0])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stopped:
        _end_as(stopped[0])
    return None


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.kill(child, number)


def _wait(child: int) -> None:
    """Wait for the end of a process that is no child of this one."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(child)], [], [])


def _end_as(status: int) -> NoReturn:
    """End as a process with this wait status has ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
