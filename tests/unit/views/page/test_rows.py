"""A run in few bytes: what comes back is what went in, whatever people wrote."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from page_of_runs import decoded
from xamsflow.rundb import RunSummary
from xamsflow.views.page import rows
from xamsflow.views.page.rows import COLUMNS, TEXTS, Lineages

START = datetime(2026, 1, 2, tzinfo=UTC)


def row(document: dict[str, Any], lineages: Lineages | None = None) -> rows.Row:
    whole = {"number": 7, "processing_status": "done"} | document
    return rows.row(RunSummary.of(whole), whole, Lineages() if lineages is None else lineages)


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
        {"data": [1, {"type": ["events"], "lineage_hash": "a"}]},
        {"data": [{"type": "x;y", "lineage_hash": "a"}]},
        {"data": [{"type": "events", "lineage_hash": "a b"}]},
        {"data": [{"type": "e" * 99, "lineage_hash": "a"}]},
        {"processing_status": {"status": "strange"}, "processing": [1], "start": "yesterday"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out(document):
    (run,) = decoded(json.loads(json.dumps(rows.block([row(document)]))))
    assert run["lineages"] == ""
    assert run["start"] is None


def test_the_lineage_of_the_data_made_last_is_the_newest():
    lineages = Lineages()

    def made(number: int, lineage: str, day: int) -> str:
        time = datetime(2026, 1, day, tzinfo=UTC)
        entry = {"type": "events", "lineage_hash": lineage, "time": time}
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
