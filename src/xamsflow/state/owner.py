"""The owner of a claim: a process on a host, and whether it is still alive."""

import getpass
import os

from xamsflow.base import process
from xamsflow.base.process import Process

LEASE_S = 300.0
"""A claim may be taken over if its owner is on another host and sent no heartbeat for this long."""


def current() -> Process:
    """Return this process."""
    return process.of(os.getpid())


def user() -> str:
    """Return the user of this process, "unknown" if the user has no name, as on some nodes."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def is_dead(owner: str, heartbeat_age_s: float | None) -> bool:
    """Return whether a claim's owner has ended without releasing the claim.

    If this host cannot know, the age of the last heartbeat decides (None: there was none).
    """
    claimant = process.parse(owner)
    ended = None if claimant is None else process.has_ended(claimant)
    if ended is not None:
        return ended
    return heartbeat_age_s is None or heartbeat_age_s > LEASE_S
