"""Who owns a claim: one process on one host, and whether it is still alive."""

import getpass
import os
import platform
from dataclasses import dataclass
from pathlib import Path

LEASE_S = 300.0
"""A claim whose owner, on another host, was not heard of for so long may be taken over."""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number by its start.

    `started` is in clock ticks since the boot called `boot`.
    """

    host: str
    pid: int
    started: int
    boot: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}:{self.boot}"


def current() -> Owner:
    """Return this process."""
    pid = os.getpid()
    started = _start_ticks(pid)
    assert started is not None, "a running process has a start"
    return Owner(platform.node(), pid, started, _boot())


def user() -> str:
    """Return who runs this process, "unknown" where the number has no name, as on some nodes."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def parse(text: str) -> Owner | None:
    """Return the owner written as `text`, or None if it is none of ours."""
    parts = text.rsplit(":", 3)
    try:
        host, pid, started, boot = parts
        return Owner(host, int(pid), int(started), boot)
    except ValueError:
        return None


def is_dead(owner: str, heartbeat_age_s: float | None) -> bool:
    """Tell whether a claim's owner has ended without giving the claim back.

    On this host, not rebooted since, the process table decides. Of all others only the age of the
    last heartbeat is known (None: it never gave one); two hosts may have the same name.
    """
    process = parse(owner)
    if process is not None and (process.host, process.boot) == (platform.node(), _boot()):
        started = _start_ticks(process.pid)
        if started is not None or not _exists(process.pid):
            return started != process.started
    return heartbeat_age_s is None or heartbeat_age_s > LEASE_S


def _exists(pid: int) -> bool:
    """Tell whether there is a process, also where /proc hides those of other users (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = _start_ticks(pid)
    return stat is not None  # one that has ended and waits for its parent counts as none


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip().partition("-")[0]


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, None if it has ended; see proc(5), field 22 of stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in the second field may hold spaces and brackets; count from its end.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
