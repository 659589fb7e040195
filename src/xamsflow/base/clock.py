"""The clock: the only place that asks what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC (aware), cut to milliseconds as MongoDB stores it."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
