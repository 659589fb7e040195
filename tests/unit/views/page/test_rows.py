"""A run in few bytes: what comes back is what went in, whatever people wrote."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from page_of_runs import decoded
from xamsflow.rundb import RunSummary, registered
from xamsflow.views.page import rows
from xamsflow.views.page.rows import COLUMNS, TEXTS, Lineages

OURS = {"host": "stbc", "location": "/data/x", "protocol": registered.PROTOCOL, "by": "anna"}

START = datetime(2026, 1, 2, tzinfo=UTC)


def row(document: dict[str, Any], lineages: Lineages | None = None) -> rows.Row:
    whole = {"number": 7, "processing_status": "done"} | document
    counted = Lineages() if lineages is None else lineages
    return rows.row(RunSummary.of(whole), whole, counted, "stbc")


def test_texts_are_written_once():
    tags = [{"name": "sr0"}, {"name": "messy"}]
    block = rows.block([row({"number": n, "mode": "led", "tags": tags}) for n in range(5)])
    assert sorted(block["words"]) == sorted({"", "done", "led", "sr0", "messy"})
    assert {len(one) for one in block["rows"]} == {len(COLUMNS)}
    assert set(COLUMNS) > TEXTS
    again = decoded(json.loads(json.dumps(block)))
    assert [run["number"] for run in again] == list(range(5))
    assert again[3]["tags"] == ["sr0", "messy"]
    assert again[3]["mode"] == "led"


@pytest.mark.parametrize(
    "document",
    [
        {"mode": 3, "tags": "x", "comments": {"comment": 1}, "data": "none"},
        {"data": [1, {**OURS, "type": ["events"], "lineage_hash": "a"}]},
        {"data": [{**OURS, "type": "x;y", "lineage_hash": "a"}]},
        {"data": [{**OURS, "type": "events", "lineage_hash": "a b"}]},
        {"data": [{**OURS, "type": "e" * 99, "lineage_hash": "a"}]},
        {"processing_status": {"status": "strange"}, "processing": [1], "start": "yesterday"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out(document):
    (run,) = decoded(json.loads(json.dumps(rows.block([row(document)]))))
    assert run["lineages"] == ""
    assert run["start"] is None


def test_earlier_data_in_use_and_the_source_are_told():
    made = [
        {**OURS, "type": name, "lineage_hash": "new", "time": START} for name in ("peaks", "events")
    ]
    live = [{"type": "live", "host": "daq"}, {"type": "live", "host": "stbc", "source": "archive"}]
    whole = {"number": 7, "data": [*live, *made]}
    earlier = {"peaks": "new", "events": "old", "event_info": "old"}
    found = rows.row(RunSummary.of(whole), whole, Lineages(), "stbc", earlier)
    run = dict(zip(COLUMNS, found, strict=True))
    assert run["lineages"] == "peaks new;events new"
    assert run["in_use"] == "events old"
    assert run["source"] == "archive"


def test_the_lineage_of_the_data_made_last_is_the_newest():
    lineages = Lineages()

    def made(number: int, lineage: str, day: int) -> str:
        time = datetime(2026, 1, day, tzinfo=UTC)
        entry = {**OURS, "type": "events", "lineage_hash": lineage, "time": time}
        found = row({"number": number, "data": [entry]}, lineages)
        return str(found[COLUMNS.index("lineages")])

    assert made(1, "old", 1) == "events old"
    made(2, "old", 3)
    made(3, "new", 20)
    day = 86400
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    assert lineages.to_json() == {
        "events": [
            ["new", first + 19 * day, first + 19 * day, 1],
            ["old", first, first + 2 * day, 2],
        ]
    }


@pytest.mark.parametrize("not_ours", [{"by": None, "user": "bob"}, {"host": "elsewhere"}])
def test_data_of_other_tools_and_hosts_do_not_count(not_ours):
    ours = {**OURS, "type": "events", "lineage_hash": "ours", "time": START}
    another = {**ours, "lineage_hash": "theirs", "time": START + timedelta(days=9), **not_ours}
    lineages = Lineages()
    found = row({"data": [ours, another]}, lineages)
    assert found[COLUMNS.index("lineages")] == "events ours"
    assert [one[0] for one in lineages.to_json()["events"]] == ["ours"]


@pytest.mark.parametrize("size", [math.nan, math.inf, -math.inf, -1.0, 1e308, True, "5"])
def test_a_size_that_makes_no_sense_is_unknown(size):
    one = row({"data": [{"type": "live", "size_mb": size}]})
    assert one[COLUMNS.index("size")] is None
    json.dumps(rows.block([one]), allow_nan=False)
