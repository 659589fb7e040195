"""The clock: the only module that reads the current time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError

WRONG_S = 60.0
"""Clocks that differ by more than this make ages and dates wrong."""

SYNCHRONIZE = "let both hosts synchronize their clocks (timedatectl, chronyc tracking)"


def now() -> datetime:
    """Return the current UTC time (aware), truncated to milliseconds as MongoDB stores it."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def ahead_s(ask: Callable[[], datetime]) -> float:
    """Return a lower limit on how many seconds another clock is ahead of this host's clock.

    The result is negative if the other clock is behind, and 0 if no difference is certain. `ask`
    returns the other clock's time; it may take a while and read that clock at any moment meanwhile.
    """
    before = now()
    there = ask()
    after = now()
    return min((there - before).total_seconds(), 0) or max((there - after).total_seconds(), 0)


def check(whose: str, ask: Callable[[], datetime]) -> None:
    """Raise ConfigurationError if another clock and this host's clock disagree."""
    ahead = ahead_s(ask)
    if abs(ahead) > WRONG_S:
        word = "behind" if ahead > 0 else "ahead of"
        raise ConfigurationError(
            f"the clock of this host is {amounts.duration(abs(ahead))} {word} {whose}", SYNCHRONIZE
        )


def running_from(time: datetime) -> Callable[[], datetime]:
    """Return a clock that shows `time` now and ignores later changes to this host's clock."""
    began = monotonic()
    return lambda: time + timedelta(seconds=monotonic() - began)
