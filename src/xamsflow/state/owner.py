"""Who owns a claim: one process on one host, and whether it is still alive."""

import getpass
import os

from xamsflow.base import process
from xamsflow.base.process import Process

LEASE_S = 300.0
"""A claim whose owner, on another host, has given no heartbeat for this long may be taken over."""


def current() -> Process:
    """Return this process."""
    return process.of(os.getpid())


def user() -> str:
    """Return who runs this process, "unknown" where the number has no name, as on some nodes."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def is_dead(owner: str, heartbeat_age_s: float | None) -> bool:
    """Tell whether a claim's owner has ended without giving the claim back.

    Where this host cannot know, only the age of the last heartbeat decides (None: it never gave
    one).
    """
    claimant = process.parse(owner)
    ended = None if claimant is None else process.has_ended(claimant)
    if ended is not None:
        return ended
    return heartbeat_age_s is None or heartbeat_age_s > LEASE_S
