from datetime import UTC, datetime, timedelta

import pytest

from xamsflow.rundb import RunSummary
from xamsflow.state import campaigns
from xamsflow.state.campaigns import Phase
from xamsflow.views.campaigns import progress

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def row(number, status=None, *, minutes=0, name="gains", **processing):
    return RunSummary.of(
        {
            "number": number,
            "processing_status": status,
            "processing": {
                "owner": "a:1:1:x",
                "campaign": {"name": name},
                "time": NOW - timedelta(minutes=minutes),
                **processing,
            },
        }
    )


def running(*runs, minutes):
    history = ({"time": (NOW - timedelta(minutes=minutes)).isoformat(), "action": "start"},)
    return campaigns.Campaign("gains", runs, (), Phase.RUNNING, "", None, history)


def test_runs_are_counted_by_status_and_failures_by_cause():
    rows = [
        row(9, "done", minutes=5),
        row(8, "done", minutes=90),
        row(7, "done", name="another"),
        row(6, "pending"),
        row(5, "failed", stage="process", reason="job 17 was killed", failure="unknown"),
        row(4, "failed", stage="process", reason="job 3 was killed", failure="unknown"),
    ]
    found = progress(running(3, 4, 5, 6, 7, 8, 9, minutes=120), rows, NOW)
    assert found.by_status == {
        "waiting": 2, "pending": 1, "submitted": 0, "running": 0, "done": 2, "failed": 2,
    }  # fmt: skip
    assert [(one.reason, one.runs) for one in found.failures] == [("job 17 was killed", (5, 4))]
    assert found.left == 3
    assert found.rate == pytest.approx(1.0)  # of the last hour
    assert found.end == NOW - timedelta(minutes=5) + timedelta(hours=3)
    assert found.to_json()["phase"] == "running"


def test_the_rate_begins_with_the_start():
    rows = [row(number, "done", minutes=5) for number in (2, 1)]
    found = progress(running(1, 2, 3, minutes=10), rows, NOW)
    assert found.rate == pytest.approx(24.0)
    assert progress(running(1, 2, minutes=10), rows, NOW).end is None  # all are done
    assert progress(running(1, 2, 3, minutes=1), rows, NOW).rate is None
