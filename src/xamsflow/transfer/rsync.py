"""rsync: copies a folder's content from a host or from this machine, and compares the two."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.base.errors import (
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.base.exec_with_parent import with_parent
from xamsflow.remote import ssh
from xamsflow.transfer.source import Folder

IO_TIMEOUT = 600
"""Seconds without a byte until rsync gives up."""

END_TIMEOUT = 10
"""Seconds that rsync gets to end before it is killed."""

# No remote shell sees a path (-s), so that no name is ever run as a command.
_OPTIONS = ("--recursive", "-s", f"--timeout={IO_TIMEOUT}")


def copy(
    source: Folder,
    destination: Path,
    *,
    by_checksum: bool = False,
    without: str | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Copy everything in `source` into the existing folder `destination`; return the bytes sent.

    Goes on where an interrupted copy stopped, and deletes nothing. Files of equal size and time
    count as copied, unless `by_checksum` reads them; those that the pattern `without` matches are
    left out. `on_bytes` is called about once a second with
    the bytes of the files that are done.
    """
    # In place, so that the part of a file that is there already is used.
    options = ["--times", "--inplace", "--chmod=u+rwX", "--stats", "--no-human-readable"]
    if by_checksum:
        options.append("--checksum")
    if without is not None:
        options.append(f"--exclude={without}")
    if on_bytes is not None:
        options += ["--info=progress2", "--outbuf=L"]
    output = _run(options, source, destination, on_bytes)
    sent = re.search(r"^Literal data: (\d+)", output, flags=re.MULTILINE)
    return int(sent[1]) if sent else 0


def differences(source: Folder, destination: Path) -> list[str]:
    """Return what a copy would change in `destination`, by the content of the files.

    Says nothing of what only `destination` has.
    """
    options = ["--checksum", "--dry-run", "--out-format=%i %n"]
    lines = _run(options, source, destination).splitlines()
    # "." marks entries of which only the time differs.
    return [line.split(" ", 1)[1] for line in lines if re.match(r"[<>ch][fdLDS]\S+ ", line)]


def version() -> str:
    """Return the version of the rsync on this machine."""
    _check_installed("rsync")
    output = subprocess.run(["rsync", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version v?(\S+)", output.stdout)
    return found[1] if found else "unknown"


def _run(
    options: list[str],
    source: Folder,
    destination: Path,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    _check_installed("rsync")
    command = ["rsync", *_OPTIONS, *options]
    if source.host is not None:
        _check_installed("ssh")
        command += ["-e", " ".join(_quoted(word) for word in ssh.command(source.host))]
    command += ["--", _argument(source), f"{destination}/"]
    # RSYNC_… variables would change what is copied and how.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RSYNC_")}
    # In a file, so that rsync never waits for somebody to read them.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            env=environment | {"LC_ALL": "C"},
        )
        try:
            output = _read(process, on_bytes)
            process.wait()
        except BaseException:
            _end(process)
            raise
        if process.returncode != 0:
            errors.seek(0)
            raise failure(process.returncode, errors.read(), source, destination)
    return output


def _read(process: subprocess.Popen[str], on_bytes: Callable[[int], None] | None) -> str:
    """Return rsync's output without its progress, which goes to `on_bytes`."""
    assert process.stdout is not None
    lines = []
    with process.stdout:
        for line in process.stdout:  # how far it is ends with a carriage return
            progress = re.match(r" +(\d+) +\d+% ", line) if on_bytes is not None else None
            if progress is None:
                lines.append(line)
            elif on_bytes is not None:
                on_bytes(int(progress[1]))
    return "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _argument(source: Folder) -> str:
    """Return the source as rsync's argument; the slash at the end means its content."""
    if source.host is None:
        return f"{source.path}/"
    host = f"[{source.host.host}]" if ":" in source.host.host else source.host.host
    path = "/".join(_literal(name) for name in source.path.split("/"))
    return f"{host}:{path}/"


def _literal(name: str) -> str:
    """Escape what the remote rsync takes as a pattern; names without are no patterns there."""
    return re.sub(r"([*?[\\])", r"\\\1", name) if re.search(r"[*?[]", name) else name


def _quoted(word: str) -> str:
    """Quote a word for rsync's -e, which splits at spaces and takes a doubled quote for one."""
    return "'" + word.replace("'", "''") + "'"


def _check_installed(program: str) -> None:
    if shutil.which(program) is None:
        raise ConfigurationError(f"{program} is missing on this machine", f"install {program}")


_BY_TEXT: tuple[tuple[str, type[XamsflowError], str], ...] = (
    (
        r"Host key verification failed|Permission denied \((?!13\))",
        ConfigurationError,
        "connect once by hand to see why",
    ),
    (
        r"could not make way for",
        ConfigurationError,
        "something else lies where the run has a file or folder; move it away",
    ),
    (
        r"has vanished|vanished before|link_stat .* No such file|change_dir .* No such file",
        StillTakenError,
        "somebody changes the run on the DAQ host, try again later",
    ),
)
"""What rsync or ssh say, the class, and the remedy; the first that fits."""

_ERRNO = re.compile(r": [^()]+ \((\d+)\)$")
"""How rsync ends a line about an error of the operating system, here or on the other host."""

_BY_CODE: dict[int, tuple[type[XamsflowError], str]] = {
    1: (ConfigurationError, "the rsync here or there is too old"),
    2: (ConfigurationError, "the rsync here or there is too old"),
    4: (ConfigurationError, "the rsync here or there is too old"),
    22: (ResourcesError, "rsync needs more memory"),
    24: (StillTakenError, "somebody changes the run on the DAQ host, try again later"),
}
"""rsync's exit codes (EXIT VALUES of its manual); lost connections and all others: try again."""


def failure(code: int, errors: str, source: Folder, destination: Path) -> XamsflowError:
    """Return the error, with its class and in one line, for rsync's exit code and messages."""
    where = f"copy of {source} to {destination}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code < 0:
        return TransientError(f"{where}: rsync was ended by signal {-code}", "start again")
    # The remote shell's 127; depending on its version rsync hands it on or exits with its own 12.
    unknown = code == 127 or re.search(r"rsync: (command )?not found|\(code 127\)", errors)
    if source.host is not None and unknown:
        return ConfigurationError(
            f"rsync is missing on {ssh.describe(source.host)}", "install rsync there"
        )
    for pattern, kind, remedy in _BY_TEXT:
        for line in lines:
            if re.search(pattern, line):
                return kind(f"{where}: {line}", remedy)
    for line in lines:
        number = _ERRNO.search(line)
        kind, remedy = system_errors.kind(int(number[1]) if number else None)
        if kind is not TransientError:
            return kind(f"{where}: {line}", f"{remedy}; the copy then goes on")
    kind, remedy = _BY_CODE.get(code, (TransientError, "try again later"))
    return kind(f"{where}: {lines[0] if lines else 'rsync failed'} (exit code {code})", remedy)
