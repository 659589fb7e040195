"""A process that imports what scripts need, and forks itself to run each of them.

Importing strax takes longer than processing a short run. A fork shares what is imported, but is a
separate process: whatever happens in it affects no other. `fork_client` runs a script this way;
if there is no server, it runs the script itself. What only some scripts need is imported when the
first of them is requested, so that a driver that never runs them does not wait for it.

The server ends once the process that started it has ended and no script is left. A script whose
client is killed is killed too; if the server is killed, its scripts are sent SIGTERM. Nothing that
a client does ends the server, because all its scripts would end too.
"""

import contextlib
import ctypes
import gc
import marshal
import os
import runpy
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from xamsflow.base import fork_client, memory
from xamsflow.base.exec_with_parent import PR_SET_PDEATHSIG

PATIENCE_S = 10.0
"""How long a client may take to send its request."""

ENDS = (signal.SIGTERM, signal.SIGINT)
"""The signals that end a script, but not the server."""

_servers: list["subprocess.Popen[bytes]"] = []
"""Kept, because the server ends when its standard input is closed."""


def start(program: Path, *arguments: str, log: Path) -> None:
    """Start a server, which runs `program`; the processes that this one starts from now on find it.

    Before the arguments, the program gets the file descriptor of a listening socket, which it
    passes to :func:`serve`. What the server itself prints is appended to `log`, if that can be
    written.
    """
    name = f"xamsflow-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX) as listener, _appended(log) as said:
        listener.bind("\0" + name)
        listener.listen(128)
        server = subprocess.Popen(
            [sys.executable, str(program), str(listener.fileno()), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=memory.HUGE_PAGES | os.environ,
            pass_fds=[listener.fileno()],
        )
    _servers.append(server)
    os.environ[fork_client.VARIABLE] = name


def _appended(log: Path) -> BinaryIO:
    """Return the log, opened for appending; the null device if it cannot be written."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def processes() -> set[int]:
    """Return the servers that this process has started."""
    return {server.pid for server in _servers}


def command(script: Path) -> list[str]:
    """Return the command that runs a script in a fork of the server, or without one."""
    return [sys.executable, "-I", "-S", fork_client.__file__, str(script)]


def serve(descriptor: int, load: Callable[[str], None]) -> None:
    """Run the scripts that clients request, until no client can connect any more.

    `load` is called with the name of each script before its first fork. It must not leave a thread:
    a fork has only the thread that forked.
    """
    with socket.socket(fileno=descriptor) as listener:
        _Server(listener, load).work()


class _Server:
    """The loop of the server: new clients, clients that end, scripts that end."""

    def __init__(self, listener: socket.socket, load: Callable[[str], None]) -> None:
        self._listener = listener
        self._load = load
        self._loaded: set[str] = set()
        self._loading = False
        self._clients: dict[int, socket.socket] = {}
        """The client of each script, by the script's process."""
        self._libc = ctypes.CDLL(None)
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._listens = True

    def work(self) -> None:
        """Serve until the process that started this one has ended, and all scripts have.

        Several events may be reported at once; handling one of them can settle the next.
        """
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *ENDS):
            signal.signal(number, self._note)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._listen_no_more)
        self._selector.register(self._woken, selectors.EVENT_READ, self._reap)
        while self._listens or self._clients:
            for key, _ in self._selector.select():
                key.data()

    def _note(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:  # a batch system signals all processes of a job
            self._listen_no_more()
            if self._loading:
                raise KeyboardInterrupt

    def _listen_no_more(self) -> None:
        if self._listens:
            self._listens = False
            self._selector.unregister(0)
            self._selector.unregister(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # no longer listening, or the client has given up
            return
        client.settimeout(PATIENCE_S)
        try:
            if not fork_client.is_own(client):
                raise PermissionError
            request, streams = _receive(client)
        except (OSError, EOFError, ValueError, TypeError):
            client.close()
            return
        self._prepare(request)
        # A signal to a fork that still has the handlers of the server would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        try:
            child = os.fork() if self._listens else None
        except OSError:  # out of processes or memory: the client runs the script itself
            child = None
        if child == 0:
            self._become(request, streams)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        for stream in streams:
            os.close(stream)
        if child is None:
            client.close()
            return
        with contextlib.suppress(OSError):  # if the client has ended, its end is noticed below
            client.sendall(fork_client.NUMBER.pack(child))
        self._clients[child] = client
        ended = partial(self._client_ended, child, client)
        self._selector.register(client, selectors.EVENT_READ, ended)

    def _prepare(self, request: dict[str, Any]) -> None:
        """Load what a script needs; if that fails, the script meets the same error, and says so."""
        try:
            script = Path(request["argv"][0]).stem
            if script in self._loaded:
                return
            self._loaded.add(script)
            self._loading = True
            try:
                self._load(script)
            finally:
                self._loading = False
        except KeyboardInterrupt:  # raised by _note: no more scripts start
            return
        except Exception:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or each fork prints what loading has printed
        gc.collect()
        gc.freeze()  # a collection in a fork would copy all memory

    def _client_ended(self, child: int, client: socket.socket) -> None:
        """End the script of a client that has ended; a client sends nothing more."""
        if self._clients.get(child) is client:  # not reaped yet, so the process is ours
            self._selector.unregister(client)
            os.kill(child, signal.SIGKILL)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            if child not in self._clients:  # what the program started, not a script
                continue
            with self._clients.pop(child) as client:
                with contextlib.suppress(KeyError):  # the client has ended
                    self._selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.sendall(fork_client.NUMBER.pack(status))

    def _become(self, request: dict[str, Any], streams: list[int]) -> NoReturn:
        """Become the process of a script: run it and end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
            server = os.getppid()
            self._libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != server:
                os._exit(1)
            self._selector.close()
            for connection in (self._listener, self._waker, self._woken, *self._clients.values()):
                connection.close()
            for standard, stream in enumerate(streams):
                os.dup2(stream, standard)
                os.close(stream)
            os.chdir(request["directory"])
            os.environ.clear()
            os.environ.update(request["environment"])
            code = _run(request["argv"])
        finally:
            # Skip Python's usual exit, which takes long to tear down the imported modules.
            for file in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    file.flush()
            os._exit(code)


def _run(argv: list[str]) -> int:
    """Run a script as the main program; return its exit code."""
    sys.argv = argv
    sys.path[0] = os.path.dirname(argv[0])  # noqa: PTH120 - as Python sets it
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return a client's request and its standard streams.

    Raises EOFError if the client has ended, OSError, ValueError or TypeError if it sends no
    request.
    """
    head, streams, _, _ = socket.recv_fds(client, fork_client.NUMBER.size, 3)
    try:
        left = fork_client.NUMBER.unpack(head)[0] if len(head) == fork_client.NUMBER.size else -1
        message = bytearray()
        while len(message) < left:
            part = client.recv(min(left - len(message), 65536))
            if not part:
                break
            message += part
        if len(message) != left or len(streams) != 3:
            raise EOFError
        request: dict[str, Any] = marshal.loads(message)
    except BaseException:
        for stream in streams:
            os.close(stream)
        raise
    return request, streams
