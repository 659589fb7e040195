"""The clock: the only place that asks what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError

WRONG_S = 60.0
"""A difference between clocks from which on ages and dates are taken for others."""

SYNCHRONISE = "let both hosts synchronise their clocks (timedatectl, chronyc tracking)"


def now() -> datetime:
    """Return the time in UTC (aware), cut to milliseconds as MongoDB stores it."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def ahead_s(ask: Callable[[], datetime]) -> float:
    """Return how many seconds another clock is ahead of this host's, at least; 0 if none.

    `ask` returns its time and may take a while: it is read at some moment in between.
    """
    before = now()
    there = ask()
    after = now()
    return min((there - before).total_seconds(), 0) or max((there - after).total_seconds(), 0)


def check(whose: str, ask: Callable[[], datetime]) -> None:
    """Raise ConfigurationError where another clock and this host's do not agree."""
    ahead = ahead_s(ask)
    if abs(ahead) > WRONG_S:
        word = "behind" if ahead > 0 else "ahead of"
        raise ConfigurationError(
            f"the clock of this host is {amounts.duration(abs(ahead))} {word} {whose}", SYNCHRONISE
        )


def running_from(time: datetime) -> Callable[[], datetime]:
    """Return a clock that shows `time` now, and does not follow changes of this host's clock."""
    began = monotonic()
    return lambda: time + timedelta(seconds=monotonic() - began)
