"""Times and sizes in the form in which people read and write them."""

import re
from datetime import UTC, datetime, timedelta

from xamsflow.base.errors import ConfigurationError

_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_DURATIONS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_SPANS = {"min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def size(n_bytes: float | None) -> str:
    """Return a number of bytes in the form ``1.2 GB`` (10^9), empty for None."""
    if n_bytes is None:
        return ""
    for unit, name in _SIZES:
        if n_bytes >= unit * 0.9995:
            return f"{_three_digits(n_bytes / unit)} {name}"
    return f"{n_bytes:.0f} B"


def duration(seconds: float | None) -> str:
    """Return a duration in seconds in the form ``3.5 h``, empty for None."""
    if seconds is None:
        return ""
    for unit, name in _DURATIONS:
        if seconds >= unit:
            return f"{_two_digits(seconds / unit)} {name}"
    return f"{_two_digits(seconds)} s"


def runs(count: int) -> str:
    """Return a number of runs in the form ``1 run`` or ``5 runs``."""
    return f"{count:,} run{'' if count == 1 else 's'}"


def time(moment: datetime | None) -> str:
    """Return a time in UTC, to the minute; empty for None."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else ""


def since(text: str, now: datetime) -> datetime:
    """Return the time that a text means: an age (``2h``, ``3d``), or a date with or without time.

    A time without time zone is in UTC. Raises ConfigurationError for anything else.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?) ?(min|m|h|d|w)", text.strip(), flags=re.ASCII)
    try:
        if match is not None:
            return now - timedelta(seconds=float(match[1]) * _SPANS[match[2]])
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{text!r} is not a time",
            "give an age such as 90min, 2h, 3d or 1w, or a date such as 2024-03-01 or "
            "'2024-03-01 14:30' (UTC)",
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _two_digits(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
