"""Process identities that are unique across hosts and over time.

The batch programs import this module too, so it imports only modules that load fast.
"""

import os
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

HOSTS_NAMESPACE = 0xEFFFFFFC
"""The PID namespace of a host itself: PROC_PID_INIT_INO in Linux's include/linux/proc_ns.h."""


class Process(NamedTuple):
    """A process; its start distinguishes it from later ones with the same number.

    `started` is in clock ticks since the boot. `boot` identifies the boot and, except for the
    host's own, the PID namespace: containers number their processes separately.
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
    """Return a unique identifier of the host's current boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def of(pid: int) -> Process:
    """Return the running process with this number on this host."""
    started = _start_ticks(pid)
    assert started is not None, "a running process has a start time"
    return Process(host(), pid, started, _table())


def parse(text: str) -> Process | None:
    """Return the process that `text` describes, or None if it does not describe one."""
    name, *numbers = text.rsplit(":", 3)
    try:
        pid, started, its_boot = numbers
        return Process(name, int(pid), int(started), its_boot)
    except ValueError:
        return None


def has_ended(process: Process) -> bool | None:
    """Return whether a process has ended; None if this host cannot know.

    The process table is conclusive only for this host and PID namespace since the last boot, and
    two hosts may have the same name.
    """
    if (process.host, process.boot) != (host(), _table()):
        return None
    started = _start_ticks(process.pid)
    if started is None and _exists(process.pid):
        return None
    return started != process.started


def parent(pid: int) -> tuple[str, int]:
    """Return the name of a process and the number of its parent."""
    name, fields = _stat(pid)
    return name, int(fields[1])


def _exists(pid: int) -> bool:
    """Return whether a process exists, even if /proc hides other users' processes (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_ticks(pid) is not None  # None for a zombie: it has ended but still has a number


def has_children(pid: int, *, other_than: Container[int] = ()) -> bool:
    """Return whether a process has started others that have not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            _, fields = _stat(int(folder.name))
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and int(folder.name) not in other_than:
            return True
    return False


def _table() -> str:
    """Return the name of the process table that this process sees."""
    namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    short = boot().partition("-")[0]
    return short if namespace == HOSTS_NAMESPACE else f"{short}-{namespace:x}"


def _start_ticks(pid: int) -> int | None:
    """Return the start time of a process, or None if it has ended; see proc(5), stat, field 22."""
    try:
        _, fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _stat(pid: int) -> tuple[str, list[str]]:
    """Return the name of a process and the remaining fields of its stat file."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The name may contain spaces and parentheses; it ends at the last closing one.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name, rest.split()
