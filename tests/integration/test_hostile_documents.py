"""A broken run document affects only its own run."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from bson import Binary, Code, Decimal128, Int64, MinKey, ObjectId, Regex
from bson.datetime_ms import DatetimeMS

from xamsflow.base import clock
from xamsflow.base.errors import FailureClass
from xamsflow.operate import actions
from xamsflow.rundb import ClaimedRun, RunSummary, Status, selection
from xamsflow.settings.config import Select

SELECT = Select(force_tags=("process",), retry=True)
END = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

VALUES = [
    *(2**63 - 1, -(2**63), Int64(7), 1e300, float("nan"), float("inf"), True, Decimal128("1E+99")),
    *(Code("pending"), Code("process", {"x": 1}), "", "pending", "abandon", "\x1b[2J"),
    *(Binary(b"\0"), Regex("^x"), ObjectId(), MinKey(), DatetimeMS(2**60), END),
    *([], ["process"], [Code("x")], [[["deep"]]], [{"name": Code("process")}], [None]),
    *({}, {"name": "process"}, {"status": Code("pending")}, {"status": "pending", "reason": 3}),
]
FIELDS = [
    *(
        "mode",
        "detectors",
        "tags",
        "start",
        "end",
        "data",
        "processing_status",
        "processing_failed",
    ),
    "processing",
    *(
        f"processing.{name}"
        for name in (
            *("attempt", "owner", "heartbeat", "history", "tries", "tries_by_class", "retry_at"),
            *("tries_by_class.transient", "reprocess", "forced", "stage", "targets", "reason"),
            *("progress", "quality", "time", "host", "job_id", "log"),
        )
    ),
]


@pytest.fixture
def spoilt(runs):
    """Break each field in each way, for a run that waits, a failed one, and one in progress."""
    soon = clock.now() - timedelta(hours=1)
    states = [
        {"processing_status": "pending"},
        {"processing_status": "failed", "processing": {"attempt": 1, "retry_at": soon}},
        {"processing_status": "running", "processing": {"owner": "x:1:1:y", "attempt": 1}},
    ]
    documents, changes = [], []
    for one in states:
        for name in FIELDS:
            for value in VALUES:
                number = len(documents) + 1
                documents.append({"number": number, "mode": "led", "end": END, **one})
                changes.append((number, name, value))
    runs.create_index("number")
    runs.insert_many(documents)
    for number, name, value in changes:
        runs.update_one({"number": number}, {"$set": {name: value}})
    runs.insert_one({"number": 900_000, "mode": "led", "end": END, "processing_status": "pending"})
    return {number: (name, value) for number, name, value in changes}


def test_a_spoilt_document_stops_no_other_run(database, runs, spoilt, caplog):
    caplog.set_level(logging.ERROR)
    pending = {run: ["events"] for run in database.pending(SELECT)}
    assert len(pending) > len(spoilt) / 3
    claims = database.claim_pending(pending, "me", SELECT.force_tags)
    stranded = {run: ["events"] for run in database.claimed(SELECT) if run.owner != "me"}
    claims += database.take_over(stranded, "me")
    taken = {claim.number for claim in claims}
    assert 900_000 in taken
    left = {run.number for run in (*pending, *stranded)} - taken
    assert left == set(), {number: spoilt[number] for number in left}
    for count, claim in enumerate(claims):
        assert database.started(claim, "process"), spoilt.get(claim.number)
        if count % 2:
            assert database.done(claim)
        else:
            why = {"reason": "x", "failure": FailureClass.TRANSIENT}
            assert database.failed(claim, "process", pause_s=lambda _tries: 1.0, **why)
    ended = {run.number: run for run in database.runs()}
    assert len(ended) == len(spoilt) + 1
    assert {ended[number].status for number in taken} == {Status.DONE, Status.FAILED}
    assert all(run.to_json() for run in ended.values())


def test_a_spoilt_document_can_be_judged(database, spoilt):
    now = database.now()
    for document in database.documents({*RunSummary.FIELDS, *ClaimedRun.FIELDS}):
        for condition in selection.conditions(document, SELECT, now):
            assert condition.name
        for action in (actions.PEND, actions.RETRY, actions.HOLD, actions.RELEASE):
            assert action.judge(document, False).effect


@pytest.mark.parametrize("tags", [["abandon"], {"name": "abandon"}, "hold-processing"])
def test_a_held_run_is_left_alone_however_its_tag_is_written(tags, database, runs):
    runs.insert_one(
        {"number": 1, "mode": "led", "end": END, "processing_status": "pending", "tags": tags}
    )
    assert database.pending(Select(skip_tags=())) == []


@pytest.mark.parametrize("skip_tags", [(), ("other",)])
def test_hold_and_abandon_count_whatever_else_is_skipped(skip_tags, database, runs):
    runs.insert_one({"number": 1, "mode": "led", "end": END, "processing_status": "pending"})
    select = Select(skip_tags=skip_tags)
    assert [run.number for run in database.pending(select)] == [1]
    for name in (actions.HOLD_TAG, actions.ABANDON_TAG):
        assert database.tag(1, name, "me", "hold", None)
        assert database.pending(select) == []
        assert database.untag(1, [name], "me", "release", None)
        assert [run.number for run in database.pending(select)] == [1]


def test_release_removes_a_tag_in_plain_text_and_leaves_the_others(database, runs):
    runs.insert_one({"number": 1, "tags": ["abandon", "dark", {"name": "abandon"}, 3]})
    assert database.untag(1, ["abandon"], "me", "release", None)
    assert runs.find_one()["tags"] == ["dark", 3]
