"""A real sshd on loopback, with keys of its own, for tests."""

import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from servers.programs import needed
from xamsflow.base.exec_with_parent import with_parent
from xamsflow.settings.config import SshHost

START_TIMEOUT = 20


class Sshd:
    """A server that lets the current user in with one key; everything it needs is in `folder`.

    A session's home is that of the tests, so that its shell reads no login files of the user;
    `environment` sets more variables there.
    """

    def __init__(
        self, folder: Path, more_config: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self._program = needed("sshd")  # which wants to be called by its full path
        variables = {"HOME": os.environ["HOME"]} | dict(environment or {})
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = _free_port()
        self.host_key = folder / "host_key"
        self.identity_file = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self.log = folder / "sshd.log"
        self._process: subprocess.Popen[bytes] | None = None
        make_key(self.host_key)
        make_key(self.identity_file)
        authorized_keys = folder / "authorized_keys"
        authorized_keys.write_text(public_key(self.identity_file))
        self.trust(self.host_key)
        (folder / "sshd_config").write_text(
            f"""
ListenAddress 127.0.0.1
Port {self.port}
HostKey "{self.host_key}"
PidFile none
AuthorizedKeysFile "{str(authorized_keys).replace("%", "%%")}"
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
AllowTcpForwarding yes
Subsystem sftp internal-sftp
MaxStartups 100
PermitUserRC no
SetEnv {" ".join(f'"{name}={value}"' for name, value in variables.items())}
{more_config}
"""
        )

    @property
    def pid(self) -> int | None:
        """The server's process, None before it is started."""
        return self._process.pid if self._process else None

    def target(self, **changes: object) -> SshHost:
        """Return how to reach the server; `changes` replace single values."""
        target = SshHost(
            host="127.0.0.1",
            port=self.port,
            user=getpass.getuser(),
            identity_file=self.identity_file,
            known_hosts=self.known_hosts,
        )
        return replace(target, **changes)  # type: ignore[arg-type]

    def trust(self, host_key: Path) -> None:
        """Make `host_key` the one key that known_hosts has for this server."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public_key(host_key)}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation needs it
        self._process = subprocess.Popen(
            # It also ends when the tests are killed.
            with_parent(
                [self._program, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(self.log)]
            ),
            stdin=subprocess.DEVNULL,
            # A session of its own, so that its connections can be ended with it.
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"sshd did not start: {self.log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server; connections that are open live on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """Kill the server and every connection, as when the host dies."""
        if self._process is None:
            return
        for pid in descendants(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


@contextmanager
def running_sshd(
    folder: Path, more_config: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Sshd]:
    """Run a server with its files in `folder`; it ends with the block, connections included."""
    server = Sshd(folder, more_config, environment)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def make_key(path: Path) -> None:
    """Write a new key pair without passphrase."""
    subprocess.run(
        [needed("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)],
        check=True,
    )


def public_key(path: Path) -> str:
    """Return the public half of a key as one line."""
    return path.with_name(path.name + ".pub").read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command_line(pid: int) -> bytes:
    """Return a process's command, its arguments separated by NUL; nothing if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def descendants(pid: int) -> list[int]:
    """Return a process and all below it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    result = [pid]
    for known in result:
        result += children.get(known, [])
    return result
