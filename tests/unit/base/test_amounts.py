from datetime import UTC, datetime, timedelta, timezone

import pytest

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError

NOW = datetime(2024, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (None, ""), (0, "0 B"), (999, "999 B"), (1500, "1.50 kB"), (80e6, "80.0 MB"),
        (999_900, "1.00 MB"), (1.234e9, "1.23 GB"), (456e9, "456 GB"), (2e15, "2000 TB"),
    ],
)  # fmt: skip
def test_sizes(n_bytes, text):
    assert amounts.size(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0 s"), (1.54, "1.5 s"), (60, "1 min"), (90, "1.5 min"), (1200, "20 min"),
     (5400, "1.5 h"), (86400 * 12, "12 d")],
)  # fmt: skip
def test_durations(seconds, text):
    assert amounts.duration(seconds) == text


def test_times_are_in_utc():
    assert amounts.time(None) == ""
    assert amounts.time(NOW.astimezone(timezone(timedelta(hours=2)))) == "2024-03-10 12:00"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("90 min", NOW - timedelta(minutes=90)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("1w", NOW - timedelta(days=7)),
        ("2024-03-01", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-01 14:30", datetime(2024, 3, 1, 14, 30, tzinfo=UTC)),
        ("2024-03-01T14:30+01:00", datetime(2024, 3, 1, 13, 30, tzinfo=UTC)),
    ],
)
def test_ages_and_dates_for_since(text, moment):
    assert amounts.since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2 years", "-2h", "2024-13-01", "999999w"])
def test_an_invalid_time_is_refused(text):
    with pytest.raises(ConfigurationError, match="is not a time: give an age such as 90min"):
        amounts.since(text, NOW)
