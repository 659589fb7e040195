"""The filters that show the runs of a problem."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from xamsflow.rundb import RunSummary
from xamsflow.views.page import summary
from xamsflow.views.page.facts import Page

SIGN = datetime(2026, 1, 9, tzinfo=UTC)


def wrong(number: int) -> list[dict[str, Any]]:
    """Return what is wrong if so many runs are silent, and as many are odd."""
    document = {"start": datetime(2026, 1, 3, 12, tzinfo=UTC), "processing": {"time": SIGN}}
    runs = [RunSummary.of({"number": 2 * i, **document}) for i in range(number)]
    page = SimpleNamespace(
        source_problem="", spaces=(), silent=runs, failed=(), n_causes=0, odd=runs
    )
    return list(summary._wrong(cast("Page", page)))


def test_few_runs_are_shown_by_their_numbers():
    assert [one["find"] for one in wrong(2)] == [{"number": "0 2"}] * 2


def test_the_filter_for_many_runs_is_that_of_their_problem():
    silent, odd = wrong(summary.IN_ADDRESS + 1)
    assert silent["find"] == {"status": "active"}
    assert odd["find"] == {"health": "odd", "from": "2026-01-03"}
