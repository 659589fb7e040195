"""Which process: told apart from all others, on this host and elsewhere, before and after.

The batch programs use this too, so it imports only what starts fast.
"""

import os
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process, told apart from a later one with the same number by its start.

    `started` is in clock ticks since the boot called `boot`.
    """

    host: str
    pid: int
    started: int
    boot: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}:{self.boot}"


def host() -> str:
    """Return this host's name."""
    return os.uname().nodename


def boot() -> str:
    """Return a name of this boot of the host, unlike that of any other boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def of(pid: int) -> Process:
    """Return a process of this host that has not ended."""
    started = _start_ticks(pid)
    assert started is not None, "a running process has a start"
    return Process(host(), pid, started, _short_boot())


def parse(text: str) -> Process | None:
    """Return the process written as `text`, None where it is not one."""
    name, *numbers = text.rsplit(":", 3)
    try:
        pid, started, its_boot = numbers
        return Process(name, int(pid), int(started), its_boot)
    except ValueError:
        return None


def has_ended(process: Process) -> bool | None:
    """Tell whether a process has ended, None where that cannot be known.

    The process table decides, of this host since it booted; two hosts may have the same name.
    """
    if (process.host, process.boot) != (host(), _short_boot()):
        return None
    started = _start_ticks(process.pid)
    if started is None and _exists(process.pid):
        return None
    return started != process.started


def parent(pid: int) -> tuple[str, int]:
    """Return the name of a process and the number of the one that started it."""
    name, fields = _stat(pid)
    return name, int(fields[1])


def _exists(pid: int) -> bool:
    """Tell whether there is a process, also where /proc hides those of other users (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_ticks(pid) is not None  # one that has ended and waits for its parent has none


def _short_boot() -> str:
    return boot().partition("-")[0]


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, None if it has ended; see proc(5), field 22 of stat."""
    try:
        _, fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _stat(pid: int) -> tuple[str, list[str]]:
    """Return the name of a process, and what follows it in its stat file."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The name may hold spaces and brackets; its end is the last one.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name, rest.split()
