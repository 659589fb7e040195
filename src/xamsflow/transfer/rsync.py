"""Run rsync to copy a folder's content from a remote or the local host, and to compare folders."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.base.errors import (
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
    causes,
)
from xamsflow.base.exec_with_parent import with_parent
from xamsflow.remote import ssh
from xamsflow.transfer.source import Folder

IO_TIMEOUT = 600
"""Seconds without any data transferred until rsync gives up."""

END_TIMEOUT = 10
"""Seconds that rsync has to exit before it is killed."""

# With -s no path passes through a remote shell, so a file name is never executed as a command.
_OPTIONS = ("--recursive", "-s", f"--timeout={IO_TIMEOUT}")


def copy(
    source: Folder,
    destination: Path,
    *,
    by_checksum: bool = False,
    without: str | None = None,
    only: Iterable[str] | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Copy everything in `source` into the existing folder `destination`; return the bytes sent.

    Continues an interrupted copy and deletes nothing. Files of equal size and modification time
    count as copied, unless `by_checksum` is set; files that match the pattern `without` are
    skipped, as is everything that is not below a folder in `only` (None: no limit). `on_bytes` is
    called about once a second with the number of bytes in finished files.
    """
    # The umask rules access rights here, not the DAQ host.
    options = ["--times", "--chmod=ugo=rwX", "--stats", "--no-human-readable"]
    if by_checksum:
        options.append("--checksum")
    if without is not None:
        options.append(f"--exclude={without}")
    if only is not None:
        options += [f"--include=/{_escaped(name)}/***" for name in sorted(only)]
        options.append("--exclude=/*")
    if on_bytes is not None:
        options += ["--info=progress2", "--outbuf=L"]
    try:
        # --inplace reuses the part of a file that an interrupted copy has left.
        output = _run([*options, "--inplace"], source, destination, on_bytes)
    except ConfigurationError:
        if not _has_parts_of_others(destination):
            raise
        # Only their owner can set the times of folders.
        output = _run([*options, "--omit-dir-times"], source, destination, on_bytes)
    sent = re.search(r"^Literal data: (\d+)", output, flags=re.MULTILINE)
    return int(sent[1]) if sent else 0


def _has_parts_of_others(destination: Path) -> bool:
    """Return whether another user's copy ended within a file, which only that user can write."""
    return any(
        not os.access(Path(folder) / name, os.W_OK)
        for folder, _, names in os.walk(destination)
        for name in names
    )


def differences(source: Folder, destination: Path) -> list[str]:
    """Return the files and folders that a copy would change in `destination`, by content.

    Entries that exist only in `destination` are not reported.
    """
    options = ["--checksum", "--dry-run", "--out-format=%i %n"]
    lines = _run(options, source, destination).splitlines()
    # rsync marks entries that differ only in time with ".".
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
    # RSYNC_… variables could change what rsync copies and how.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RSYNC_")}
    # Errors go to a file, so that rsync never blocks on a full pipe.
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
            said = errors.read()
            error = failure(process.returncode, said, source, destination)
            raise error from (HereError(said) if _is_here(said) else None)
    return output


def _read(process: subprocess.Popen[str], on_bytes: Callable[[int], None] | None) -> str:
    """Return rsync's output without its progress lines, which are passed to `on_bytes`."""
    assert process.stdout is not None
    lines = []
    with process.stdout:
        for line in process.stdout:  # progress lines end with a carriage return
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
    """Return the source as rsync's argument; the trailing slash means its content."""
    if source.host is None:
        return f"{source.path}/"
    host = f"[{source.host.host}]" if ":" in source.host.host else source.host.host
    path = "/".join(_literal(name) for name in source.path.split("/"))
    return f"{host}:{path}/"


def _literal(name: str) -> str:
    """Escape wildcards for the remote rsync, which treats a name without any as literal."""
    return _escaped(name) if re.search(r"[*?[]", name) else name


def _escaped(name: str) -> str:
    return re.sub(r"([*?[\\])", r"\\\1", name)


def _quoted(word: str) -> str:
    """Quote a word for rsync's -e, which splits at spaces and reads a doubled quote as one."""
    return "'" + word.replace("'", "''") + "'"


def _check_installed(program: str) -> None:
    if shutil.which(program) is None:
        missing = f"{program} is missing on this machine"
        raise ConfigurationError(missing, f"install {program}") from HereError(missing)


_BY_TEXT: tuple[tuple[str, type[XamsflowError], str], ...] = (
    (
        r"is your shell clean",
        ConfigurationError,
        "a login file there (such as .bashrc) prints text: let it do so only on a terminal",
    ),
    (
        r"Host key verification failed|Permission denied \((?!13\))",
        ConfigurationError,
        "connect once by hand to see why",
    ),
    (
        r"could not make way for",
        ConfigurationError,
        "something else is in the place of a file or folder of the run; move it away",
    ),
    (
        r"has vanished|vanished before|link_stat .* No such file|change_dir .* No such file",
        StillTakenError,
        "the run is changing there; try again later",
    ),
)
"""Messages of rsync or ssh, with error class and remedy; the first match counts."""

_ERRNO = re.compile(r": [^()]+ \((\d+)\)$")
"""The end of an rsync message about an operating system error, on either host."""

_BY_CODE: dict[int, tuple[type[XamsflowError], str]] = {
    1: (ConfigurationError, "the rsync here or there is too old"),
    2: (ConfigurationError, "the rsync here or there is too old"),
    4: (ConfigurationError, "the rsync here or there is too old"),
    22: (ResourcesError, "rsync needs more memory"),
    24: (StillTakenError, "the run is changing there; try again later"),
}
"""rsync's exit codes (EXIT VALUES in its manual); all others, such as lost connections, are
transient."""


_RECEIVER = re.compile(r"^rsync: \[(receiver|generator)\]", re.IGNORECASE)
"""The start of a message of the side that writes."""


class HereError(Exception):
    """The cause of an error on this machine, for which another source would not help."""


def is_here(error: XamsflowError) -> bool:
    """Return whether this machine is the cause of an error, not the source of the copy."""
    return any(isinstance(one, HereError) for one in causes(error))


def _is_here(errors: str) -> bool:
    """Return whether the side that writes could not; lost connections are also reported by it."""
    for line in map(str.strip, errors.splitlines()):
        number = _ERRNO.search(line)
        if number and _RECEIVER.match(line):
            kind, _ = system_errors.kind(int(number[1]))
            if kind is not TransientError:
                return True
    return "could not make way for" in errors


def failure(code: int, errors: str, source: Folder, destination: Path) -> XamsflowError:
    """Turn rsync's exit code and messages into an error of the right class, in one line."""
    where = f"copy of {source} to {destination}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code < 0:
        return TransientError(f"{where}: rsync was ended by signal {-code}", "try again")
    # The remote shell exits with 127; depending on its version, rsync returns that or its own 12.
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
            return kind(f"{where}: {line}", f"{remedy}; the copy then continues")
    kind, remedy = _BY_CODE.get(code, (TransientError, "try again later"))
    return kind(f"{where}: {lines[0] if lines else 'rsync failed'} (exit code {code})", remedy)
