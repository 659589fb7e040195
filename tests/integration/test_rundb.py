import contextlib
import json
import logging
import secrets
import threading
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
from bson import Int64
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from servers.mongod import make_replica_set, restartable, scratch
from xamsflow import rundb
from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, FailureClass, TransientError
from xamsflow.redax import rundoc
from xamsflow.rundb import Status
from xamsflow.settings.config import Rundb, Select
from xamsflow.state import run_numbers
from xamsflow.state.claims import Claim

ALL = Select(first_run=None, last_run=None, modes=("*",), skip_tags=(), newest=None)
END = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
FAST = "serverSelectionTimeoutMS=1000"

OLD_FORMS = {
    "amstrax 1 submitted": "submitted_job",
    "amstrax 1 building": "building_raw_records",
    "amstrax 1 failed": "failed due to a text with $signs and 'quotes'",
    "amstrax 2.0 processing": "processing",
    "amstrax 2.1 submitted": {"status": "submitted", "time": END, "host": "stbc", "reason": ""},
    "amstrax 2.1 running": {"status": "running", "time": END, "host": "wn", "reason": None},
    "amstrax 2.1 done": {"status": "done", "time": END, "host": "wn", "reason": ""},
    "amstrax 2.1 failed": {"status": "failed", "time": END, "host": "wn", "reason": "killed"},
    "unknown text": "queued by hand",
    "number": 3,
    "list": ["pending"],
    "empty": {},
}


@pytest.fixture(autouse=True)
def no_credentials_of_ours(monkeypatch, tmp_path):
    monkeypatch.delenv("MONGO_USER", raising=False)
    monkeypatch.delenv("MONGO_PASSWORD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def document(number: int, /, **fields: Any) -> dict[str, Any]:
    """Return a run document as the DAQ writes it, with the fields that the run database reads."""
    return {
        "number": number,
        "mode": "xamsl_led",
        "start": END - timedelta(minutes=10),
        "end": END,
        "daq_config": {"strax_output_path": "/daq", "registers": [{"reg": "EF24"}]},
        "data": [{"type": "live", "host": "daq", "location": "/daq/live"}],
        **fields,
    }


def claim_pending(database, number, owner, targets):
    """Claim one run as drivers claim many; return None if the claim fails."""
    found = rundb.PendingRun(number, "", 0)
    return next(iter(database.claim_pending({found: targets}, owner)), None)


def take_over(database, run, owner, targets):
    """Take over one run as drivers take over many; return None if that fails."""
    return next(iter(database.take_over({run: targets}, owner)), None)


def history(run: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(entry["from"], entry["to"]) for entry in run["processing"]["history"]]


# Looking


def test_get_returns_the_whole_document(database, runs):
    runs.insert_one(document(932, number=Int64(932), source="Kr"))
    found = database.get(932)
    assert found["source"] == "Kr"
    assert found["end"] == END


def test_an_unknown_run_is_named_with_the_collection(database, config):
    with pytest.raises(ConfigurationError, match=f"run 000932 is not in {config.database}.runs_"):
        database.get(932)


def test_the_nearest_runs_are_named_where_one_is_unknown(database, runs):
    for there, told in (
        ((), "it has no runs"),
        ((930, 12), "the nearest is 000930"),
        ((935, 940), "the nearest are 000930 and 000935"),
    ):
        for number in there:
            runs.insert_one(document(number))
        with pytest.raises(ConfigurationError, match=told):
            database.get(932)


def test_a_number_as_text_is_a_mistake_of_the_caller(database, runs):
    runs.insert_one(document(932, processing_status="pending"))
    for method in (database.get, lambda n: claim_pending(database, n, "me", ())):
        with pytest.raises(TypeError):
            method("000932")


def test_a_number_with_two_documents_is_bad_data_and_is_not_processed(database, runs, caplog):
    runs.insert_many([document(932, processing_status="pending") for _ in range(2)])
    runs.insert_one(document(933, processing_status="pending"))
    with pytest.raises(BadDataError, match="run 000932 has several documents"):
        database.get(932)
    assert claim_pending(database, 932, "me", ()) is None
    assert "run 000932 has several documents" in caplog.text
    assert claim_pending(database, 933, "me", ()) is not None


def test_a_date_out_of_range_does_not_hide_the_document(database, runs):
    from bson.datetime_ms import DatetimeMS  # noqa: PLC0415

    runs.insert_one(document(932, start=DatetimeMS(2**60)))
    assert database.get(932)["number"] == 932
    assert database.runs()[0].start is None


def test_pending_lists_both_forms_newest_first(database, runs):
    runs.insert_many(
        [
            document(5, processing_status="pending"),
            document(7, processing_status={"status": "pending", "time": END}),
            document(6, number=Int64(6), processing_status="pending", processing={"attempt": 2}),
            document(8, processing_status="pending", end=None),
            {k: v for k, v in document(9, processing_status="pending").items() if k != "end"},
            document(10),
            *(document(20 + i, processing_status=v) for i, v in enumerate(OLD_FORMS.values())),
        ]
    )
    assert database.pending(ALL) == [
        rundb.PendingRun(7, "xamsl_led", 0, length_s=600.0),
        rundb.PendingRun(6, "xamsl_led", 2, length_s=600.0),
        rundb.PendingRun(5, "xamsl_led", 0, length_s=600.0),
    ]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"first_run": 2}, [4, 3, 2]),
        ({"last_run": 3}, [3, 2, 1]),
        ({"first_run": 2, "last_run": 2}, [2]),
        ({"newest": 2}, [4, 3]),
        ({"last_run": 3, "newest": 1}, [3]),
        ({"modes": ("*led*",)}, [3, 1]),
        ({"modes": ("*LED*",)}, []),
        ({"modes": ("xamsl_kr", "bkg?")}, [4, 2]),
        ({"skip_tags": ("broken",)}, [4, 2, 1]),
        ({"skip_tags": ("broken", "noisy"), "newest": 2}, [2, 1]),
    ],
)
def test_select_narrows_what_is_pending(narrowed, expected, database, runs):
    runs.insert_many(
        [
            document(1, processing_status="pending", mode="xamsl_led", tags=[]),
            document(2, processing_status="pending", mode="xamsl_kr", tags=None),
            document(3, processing_status="pending", mode="led",
                     tags=[{"name": "messy"}, {"name": "broken", "user": "me", "date": END}]),
            document(4, processing_status="pending", mode="bkg1",
                     tags=["odd", {"name": 3}, {"name": "noisy", "time": END}]),
        ]
    )  # fmt: skip
    select = Select(**{**vars(ALL), **narrowed})
    assert [run.number for run in database.pending(select)] == expected


def test_pending_documents_without_a_number_are_told_in_the_log(database, runs, caplog):
    runs.insert_one(document(5, processing_status="pending", mode=None))
    for number in ("000932", 7.5, None, True, -1, 10**6, [7]):
        runs.insert_one({**document(0, processing_status="pending"), "number": number})
    with caplog.at_level(logging.WARNING):
        assert database.pending(ALL) == [rundb.PendingRun(5, "", 0, length_s=600.0)]
    assert "'000932'" in caplog.text


def test_the_table_shows_every_form(database, runs):
    runs.insert_many(
        document(i, processing_status=value) for i, value in enumerate(OLD_FORMS.values())
    )
    runs.insert_one(document(500))
    runs.insert_one({"number": 501, "processing": "x", "processing_failed": "y", "start": 3})
    runs.insert_one({"number": "502"})
    table = {run.number: run for run in database.runs()}
    assert list(table) == [501, 500, *reversed(range(len(OLD_FORMS)))]
    assert table[2].status is Status.FAILED
    assert table[2].reason == "a text with $signs and 'quotes'"
    assert table[7].reason == "killed"
    assert (table[8].status, table[8].status_found) == (None, "queued by hand")
    assert (table[500].status, table[500].status_found, table[500].failures) == (None, None, 0)
    numbers = run_numbers.each([3, 500, 77])
    assert [run.number for run in database.runs(numbers)] == [500, 3]
    assert [run.number for run in database.runs([])] == []


# One run's way


def test_a_run_from_the_wish_to_done(database, runs):
    database.insert(document(932, comments=[{"comment": "keep me"}]))
    assert database.set_pending(932, "astrid")
    claim = claim_pending(database, 932, "driver 1", ["events"])
    assert claim == Claim(932, "driver 1", 1)
    assert database.started(claim, "transfer", host="wn1", job_id="1.stbc", log="/logs/1")
    assert database.started(claim, "process", host="wn2", job_id="2.stbc", log="/logs/2")
    assert database.done(claim, versions={"strax": "2.2.3"})
    found = database.get(932)
    assert found["processing_status"] == "done"
    assert type(runs.find_one()["processing_status"]) is str
    assert "processing_failed" not in found
    assert found["comments"] == [{"comment": "keep me"}]
    entries = found["processing"].pop("history")
    assert [(e["from"], e["to"], e["by"], e.get("stage")) for e in entries] == [
        (None, "pending", "astrid", None),
        ("pending", "submitted", "driver 1", None),
        ("submitted", "running", "driver 1", "transfer"),
        ("running", "running", "driver 1", "process"),
        ("running", "done", "driver 1", None),
    ]
    assert entries[2] == {
        "time": entries[2]["time"], "from": "submitted", "to": "running", "by": "driver 1",
        "attempt": 1, "stage": "transfer", "host": "wn1", "job_id": "1.stbc", "log": "/logs/1",
    }  # fmt: skip
    times = [entry["time"] for entry in entries]
    assert times == sorted(times)
    assert abs(times[0] - datetime.now(UTC)) < timedelta(minutes=5)
    heartbeat = found["processing"].pop("heartbeat")
    assert abs(heartbeat - datetime.now(UTC)) < timedelta(minutes=5)
    assert found["processing"] == {
        "owner": "driver 1", "attempt": 1, "targets": ["events"], "stage": "process",
        "host": "wn2", "job_id": "2.stbc", "log": "/logs/2", "versions": {"strax": "2.2.3"},
        "time": times[-1],
    }  # fmt: skip


def fail(database, claim, **changes):
    about = {"reason": "killed", "failure": FailureClass.RESOURCES, "log": "/logs/3", "host": "wn1"}
    return database.failed(claim, "process", **{**about, **changes})


def claimed(database, runs, number=932, owner="driver 1", **fields):
    runs.insert_one(document(number, processing_status="pending", **fields))
    return claim_pending(database, number, owner, ["events"])


def test_a_failure_is_counted_once_whoever_noticed_it(database, runs):
    claim = claimed(database, runs)
    database.started(claim, "process", host="wn1", log="/logs/3")
    assert fail(database, claim)
    assert not fail(database, claim, reason="the driver saw it too")
    found = database.get(932)
    assert (found["processing_status"], found["processing_failed"]) == ("failed", 1)
    assert found["processing"]["reason"] == "killed"
    assert found["processing"]["failure"] == "resources"
    assert found["processing"]["history"][-1]["failure"] == "resources"
    assert not database.done(claim)


def test_a_retry_of_the_same_claim_is_a_new_attempt(database, runs):
    claim = claimed(database, runs)
    fail(database, claim)
    assert database.started(claim, "process", log="/logs/4")
    found = database.get(932)["processing"]
    assert found["attempt"] == 2
    assert "reason" not in found
    assert "failure" not in found
    assert fail(database, claim)
    assert database.get(932)["processing_failed"] == 2
    assert database.runs()[0].failures == 2


def test_a_new_claim_forgets_the_last_failure_but_the_history_does_not(database, runs):
    fail(database, claimed(database, runs))
    assert database.set_pending(932, "astrid")
    claim = claim_pending(database, 932, "driver 2", ["peaks"])
    assert claim == Claim(932, "driver 2", 2)
    found = database.get(932)
    assert not {"reason", "failure", "host", "log", "job_id"} & set(found["processing"])
    assert found["processing"]["targets"] == ["peaks"]
    assert found["processing_failed"] == 1
    assert [e["reason"] for e in found["processing"]["history"] if "reason" in e] == ["killed"]


def test_the_verdict_on_the_data_is_told_until_the_run_is_claimed_again(database, runs):
    claim = claimed(database, runs)
    finding = {"rule": "T14", "severity": "degraded", "message": "m", "lost_records": None}
    quality = {"verdict": "degraded", "findings": [finding]}
    assert database.done(claim, quality=quality)
    assert database.get(932)["processing"]["quality"] == quality
    assert database.set_pending(932, "astrid")
    assert claim_pending(database, 932, "driver 3", ["peaks"])
    assert "quality" not in database.get(932)["processing"]


def test_done_again_changes_nothing_and_is_true(database, runs):
    claim = claimed(database, runs)
    assert database.done(claim)
    before = database.get(932)
    assert database.done(claim, versions={"strax": "another"})
    assert database.get(932) == before
    assert not database.done(Claim(932, "driver 2", 1))


def test_a_released_run_is_pending_again(database, runs):
    claim = claimed(database, runs)
    database.started(claim, "transfer")
    assert database.release(claim, "Ctrl-C")
    assert not database.release(claim, "Ctrl-C")
    assert not database.started(claim, "process")
    found = database.get(932)
    assert found["processing_status"] == "pending"
    assert found["processing"]["history"][-1]["reason"] == "Ctrl-C"
    assert "processing_failed" not in found
    assert "owner" not in found["processing"]
    assert claim_pending(database, 932, "driver 2", []) == Claim(932, "driver 2", 2)


def test_another_owner_can_do_nothing(database, runs):
    claimed(database, runs)
    before = database.get(932)
    stranger = Claim(932, "driver 2", 1)
    assert not database.started(stranger, "process")
    assert not fail(database, stranger)
    assert not database.done(stranger)
    assert not database.release(stranger, "")
    assert not database.set_pending(932, "astrid")
    assert claim_pending(database, 932, "driver 2", []) is None
    assert database.claim_any(932, "driver 2", []) is None
    assert database.get(932) == before


def test_the_same_owner_gets_its_claim_again(database, runs):
    """The answer to the first claim may have been lost."""
    claim = claimed(database, runs)
    before = database.get(932)
    assert claim_pending(database, 932, "driver 1", ["events"]) == claim
    assert database.get(932) == before


def test_text_that_is_no_text_can_be_told(database, runs):
    claim = claimed(database, runs)
    assert fail(database, claim, reason="cannot read '\udcff' $where {$set: 1} \0")
    assert database.get(932)["processing"]["reason"] == "cannot read '\\udcff' $where {$set: 1} \0"


# What others wrote


@pytest.mark.parametrize("old", OLD_FORMS.values(), ids=OLD_FORMS)
def test_an_old_status_is_kept_whole_when_it_is_replaced(old, database, runs):
    runs.insert_one(document(932, processing_status=old))
    assert claim_pending(database, 932, "me", []) is None
    assert database.get(932)["processing_status"] == old
    assert database.claim_any(932, "me", []) == Claim(932, "me", 1)
    found = database.get(932)
    assert found["processing_status"] == "submitted"
    assert found["processing"]["history"][0]["was"] == old


@pytest.mark.parametrize("old", OLD_FORMS.values(), ids=OLD_FORMS)
def test_a_person_may_ask_for_a_run_of_an_older_tool(old, database, runs):
    runs.insert_one(document(932, processing_status=old))
    assert database.set_pending(932, "astrid")
    assert database.get(932)["processing"]["history"][0]["was"] == old
    assert claim_pending(database, 932, "me", []) is not None


def test_the_old_form_of_pending_is_claimed(database, runs):
    old = {"status": "pending", "time": END}
    runs.insert_one(document(932, processing_status=old))
    assert claim_pending(database, 932, "me", []) == Claim(932, "me", 1)
    entry = database.get(932)["processing"]["history"][0]
    assert (entry["from"], entry["was"]) == ("pending", old)


@pytest.mark.parametrize(
    "odd",
    [None, "amstrax was here", 3, [1, {"a": 2}], {}, {"by": "x", "attempt": "7"},
     {"attempt": 2.0, "history": None}, {"history": "a text", "n": 1}, {"history": {"0": "x"}}],
    ids=repr,
)  # fmt: skip
def test_an_odd_processing_field_is_preserved(odd, database, runs):
    runs.insert_one(document(932, processing_status="pending", processing=odd))
    assert [run.number for run in database.pending(ALL)] == [932]
    assert database.runs()[0].number == 932
    claim = claim_pending(database, 932, "me", ["events"])
    assert claim is not None
    assert database.heartbeat("me") == 1
    assert database.done(claim)
    processing = database.get(932)["processing"]
    assert history({"processing": processing}) == [("pending", "submitted"), ("submitted", "done")]
    if isinstance(odd, dict):
        assert processing.get("was", {}).get("history") == odd.get("history")
        kept = {k: v for k, v in odd.items() if k not in ("history", "attempt")}
        assert kept.items() <= processing.items()
    else:
        assert processing.get("was") == odd


@pytest.mark.parametrize("odd", [None, "3", {}, True])
def test_an_odd_failure_count_does_not_stop_anybody(odd, database, runs):
    claim = claimed(database, runs, processing_failed=odd)
    assert fail(database, claim)
    found = database.get(932)
    assert found["processing_failed"] == 1
    assert found["processing"]["history"][-1].get("was_processing_failed") == odd


def test_an_old_failure_count_goes_on(database, runs):
    assert fail(database, claimed(database, runs, processing_failed=Int64(4)))
    assert database.get(932)["processing_failed"] == 5


def test_a_claim_ends_where_an_older_tool_takes_the_run(database, runs):
    claim = claimed(database, runs)
    runs.update_one({"number": 932}, {"$set": {"processing_status": "processing"}})
    assert not database.started(claim, "process")
    assert not database.done(claim)
    assert database.claimed() == []
    assert database.heartbeat("driver 1") == 0


def test_all_fields_of_others_survive_a_whole_life(database, runs):
    theirs = document(
        932, processing_status="pending", tags=[{"name": "messy"}], comments=None, rate={},
        bootstrax={"state": "done"}, processing={"by": "somebody", "nested": {"a.b": [1]}},
    )  # fmt: skip
    runs.insert_one(dict(theirs))
    claim = claim_pending(database, 932, "me", [])
    database.started(claim, "transfer")
    fail(database, claim)
    database.set_pending(932, "me")
    database.add_data(932, {"type": "events", "host": "stbc", "location": "/x"})
    found = database.get(932)
    for name in set(theirs) - {"processing_status", "processing", "data"}:
        assert found[name] == theirs[name]
    assert theirs["processing"].items() <= found["processing"].items()
    assert found["data"][0] == theirs["data"][0]


def test_a_real_document_survives_a_whole_life(database, real_data):
    theirs = rundoc.from_json(json.loads((real_data / "rundoc_002240.json").read_text()))
    database.insert(theirs)
    assert database.set_pending(2240, "astrid")
    (pending,) = database.pending(ALL)
    claim = claim_pending(database, pending.number, "driver 1", ["events"])
    assert database.started(claim, "process")
    assert database.done(claim)
    found = database.get(2240)
    assert {name: found[name] for name in theirs} == theirs
    assert set(found) - set(theirs) == {"processing", "processing_status"}


def test_insert_refuses_a_number_that_exists(database):
    database.insert(document(932))
    with pytest.raises(ConfigurationError, match=r"run 000932 is already in"):
        database.insert(document(932))
    with pytest.raises(ConfigurationError, match="'000933' is not a run number"):
        database.insert({"number": "000933"})


# Data entries

ENTRY = {
    "type": "events", "host": "stbc", "location": "/p/000932-events-abc", "lineage_hash": "abc",
    "n_chunks": 2, "meta": {"lineage": {"events": ["E", "1", {"a.b": 1}]}}, "time": END,
}  # fmt: skip


def test_a_data_entry_is_added_once(database, runs):
    runs.insert_one(document(932))
    other = {**ENTRY, "type": "peaks"}
    assert database.add_data(932, ENTRY) == [ENTRY]
    again = {**ENTRY, "time": END + timedelta(1), "n_chunks": 3}
    assert database.add_data(932, again, other) == [other]
    assert database.add_data(932, again, other) == []
    found = database.get(932)["data"]
    assert found == [document(932)["data"][0], ENTRY, other]


@pytest.mark.parametrize("field", ["type", "host", "location", "lineage_hash"])
def test_a_data_entry_that_differs_in_a_name_is_another(field, database, runs):
    runs.insert_one(document(932))
    assert database.add_data(932, ENTRY)
    assert database.add_data(932, {**ENTRY, field: "another"})
    assert database.add_data(932, {k: v for k, v in ENTRY.items() if k != field})
    assert not database.add_data(932, {k: v for k, v in ENTRY.items() if k != field})
    assert len(database.get(932)["data"]) == 4


def test_live_data_on_the_cluster_stand_beside_the_daqs_own(database, runs):
    runs.insert_one(document(932))
    live = {"type": "live", "host": "stbc", "location": "/data/live"}
    assert database.add_data(932, live)
    assert not database.add_data(932, live)
    assert [entry["host"] for entry in database.get(932)["data"]] == ["daq", "stbc"]


@pytest.mark.parametrize("data", [None, []])
def test_a_document_without_data_gets_its_first_entry(data, database, runs):
    runs.insert_one(document(932, data=data))
    runs.insert_one({"number": 933})
    for number in (932, 933):
        assert database.add_data(number, ENTRY)
        assert not database.add_data(number, ENTRY)
        assert database.get(number)["data"] == [ENTRY]


def test_data_that_are_no_list_are_left_alone(database, runs):
    runs.insert_one(document(932, data="see the log book"))
    with pytest.raises(
        BadDataError, match="run 000932: data of the run document must be a list, not 'see the log"
    ):
        database.add_data(932, ENTRY)
    assert database.get(932)["data"] == "see the log book"


# Heartbeats and dead drivers


def test_heartbeats_are_by_the_servers_clock(database, runs):
    claimed(database, runs, 1)
    claimed(database, runs, 2)
    claimed(database, runs, 3, owner="driver 2")
    database.done(Claim(1, "driver 1", 1))
    past = datetime.now(UTC) - timedelta(hours=2)
    runs.update_many({}, {"$set": {"processing.heartbeat": past}})
    assert database.heartbeat("driver 1") == 1
    assert database.heartbeat("nobody") == 0
    ages = {run.number: run.heartbeat_age_s for run in database.claimed()}
    assert list(ages) == [3, 2]
    assert 0 <= ages[2] < 3600
    assert ages[3] >= 7200
    assert database.get(1)["processing"]["heartbeat"] < datetime.now(UTC) - timedelta(hours=1)


def test_a_claim_without_a_heartbeat_has_no_age(database, runs):
    runs.insert_one(document(1, processing_status="running", processing={"owner": "x"}))
    runs.insert_one(
        document(2, processing_status="running", processing={"owner": "x", "heartbeat": "soon"})
    )
    runs.insert_one(document(3, processing_status="running"))
    runs.insert_one(document(4, processing_status="running", processing={"owner": 3}))
    runs.insert_one({**document(0, processing_status="running"), "number": "5"})
    assert [(run.number, run.heartbeat_age_s) for run in database.claimed()] == [
        (2, None),
        (1, None),
    ]
    assert [take_over(database, run, "me", []) is not None for run in database.claimed()] == [
        True,  # somebody else's field stands where the heartbeat belongs
        True,
    ]


def test_a_dead_drivers_run_is_taken_over_once(database, runs):
    claim = claimed(database, runs, tags=[{"name": "calibration"}])
    database.started(claim, "process", job_id="7.stbc")
    (dead,) = database.claimed()
    assert (dead.number, dead.status, dead.owner, dead.stage, dead.job_id, dead.tags) == (
        932, Status.RUNNING, "driver 1", "process", "7.stbc", ("calibration",),
    )  # fmt: skip
    assert take_over(database, dead, "driver 2", ["events"]) == Claim(932, "driver 2", 2)
    assert take_over(database, dead, "driver 3", ["events"]) is None
    assert not database.done(claim)
    assert history(database.get(932))[-1] == ("running", "submitted")


def test_a_driver_that_wakes_up_keeps_its_runs(database, runs):
    claimed(database, runs)
    past = datetime.now(UTC) - timedelta(hours=2)
    runs.update_many({}, {"$set": {"processing.heartbeat": past}})
    (dead,) = database.claimed()
    database.heartbeat("driver 1")
    assert take_over(database, dead, "driver 2", []) is None
    assert database.claimed()[0].owner == "driver 1"


# Races


def together(n: int, work) -> list[Any]:
    """Return what `work(i)` returns in n threads that start at the same moment."""
    barrier = threading.Barrier(n)

    def start(i):
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(start, range(n)))


def test_drivers_together_claim_each_run_once(config, runs):
    numbers = list(range(50))
    runs.insert_many(document(n, processing_status="pending") for n in numbers)

    def drive(i):
        with rundb.open_database(config) as database:
            return database.claim_pending({run: [] for run in database.pending(ALL)}, f"driver {i}")

    claims = [claim for ours in together(8, drive) for claim in ours]
    assert sorted(claim.number for claim in claims) == numbers
    for claim in claims:
        found = runs.find_one({"number": claim.number})
        assert found["processing"]["owner"] == claim.owner
        assert history(found) == [("pending", "submitted")]


def test_drivers_together_take_over_each_run_once(database, config, runs):
    for number in range(10):
        claimed(database, runs, number, owner="dead")
    dead = database.claimed()

    def drive(i):
        with rundb.open_database(config) as own:
            ours = own.take_over({run: [] for run in dead}, f"driver {i}")
        return [claim.number for claim in ours]

    taken = Counter(number for ours in together(8, drive) for number in ours)
    assert taken == dict.fromkeys(range(10), 1)


def test_repeated_reports_together_count_once(database, config, runs):
    claim = claimed(database, runs)
    assert sum(together(8, lambda _: fail(database, claim))) == 1
    assert sum(len(added) for added in together(8, lambda _: database.add_data(932, ENTRY))) == 1
    for host in ("h0", "h1"):
        also = {**ENTRY, "host": host}
        together(8, lambda _, also=also: database.add_data(932, ENTRY, also))
    assert database.get(932)["processing_failed"] == 1
    assert len(database.get(932)["data"]) == 4
    assert database.started(claim, "process")
    assert all(together(8, lambda _: database.done(claim)))
    assert history(database.get(932)).count(("running", "done")) == 1


def test_everything_together_leaves_a_consistent_history(database, config, runs):
    runs.insert_one(document(932, processing_status="pending"))

    def live(i):
        owner = f"driver {i}"
        failures = 0
        for _ in range(15):
            claim = claim_pending(database, 932, owner, []) or database.claim_any(932, owner, [])
            if claim is not None:
                database.heartbeat(owner)
                database.started(claim, "process")
                failures += fail(database, claim)
                database.set_pending(932, owner)
        return failures

    failures = sum(together(8, live))
    found = database.get(932)
    assert found.get("processing_failed", 0) == failures
    check_history(found, first="pending")
    attempts = [e["attempt"] for e in found["processing"]["history"] if e["to"] == "submitted"]
    assert attempts == list(range(1, len(attempts) + 1))


@pytest.fixture
def in_between(monkeypatch):
    """Return a function that makes something happen between the next change's read and write."""

    def arrange(happens):
        def now():
            monkeypatch.setattr(clock, "now", ask)
            happens()
            return ask()

        ask = clock.now
        monkeypatch.setattr(clock, "now", now)

    return arrange


def test_a_run_that_looks_the_same_but_has_a_new_owner_is_left(database, runs, in_between):
    claim = claimed(database, runs)
    database.started(claim, "process")

    def another_takes_over():
        (dead,) = database.claimed()
        database.started(take_over(database, dead, "driver 2", []), "process")

    in_between(another_takes_over)
    assert not database.done(claim)
    assert database.claimed()[0].owner == "driver 2"


def test_a_retry_that_looks_the_same_is_another_attempt(database, runs, in_between):
    claim = claimed(database, runs)
    database.started(claim, "process")

    def fails_and_starts_again():
        fail(database, claim)
        database.started(claim, "process")

    in_between(fails_and_starts_again)
    assert fail(database, claim)
    entries = database.get(932)["processing"]["history"]
    assert [e["attempt"] for e in entries if e["to"] == "failed"] == [1, 2]


def test_a_failure_that_an_older_tool_counts_meanwhile_is_not_lost(database, runs, in_between):
    claim = claimed(database, runs)
    in_between(lambda: runs.update_one({"number": 932}, {"$inc": {"processing_failed": 1}}))
    assert fail(database, claim)
    assert database.get(932)["processing_failed"] == 2


def test_a_run_that_changes_all_the_time_is_given_up(database, runs, monkeypatch):
    claim = claimed(database, runs)
    ask = clock.now

    def now():
        runs.update_one({"number": 932}, {"$inc": {"processing_failed": 1}})
        return ask()

    monkeypatch.setattr(clock, "now", now)
    with pytest.raises(TransientError, match="others keep changing the status of run 000932"):
        fail(database, claim)


def check_history(found: dict[str, Any], first: str | None) -> None:
    """Each change starts from the result of the previous one; the last result is the status."""
    entries = found.get("processing", {}).get("history", [])
    reached = first
    for entry in entries:
        assert entry["from"] == reached
        reached = entry["to"]
    assert found.get("processing_status") == reached
    failed = sum(entry["to"] == "failed" for entry in entries)
    assert found.get("processing_failed", 0) == failed


# The state machine: what may follow what, written down independently of the table under test.

OWN = ("submitted", "running")
MAY_LEAVE = {
    "claim": ("pending",),
    "claim_any": (None, "pending", "done", "failed"),
    "take_over": OWN,
    "started": (*OWN, "failed"),
    "failed": OWN,
    "done": OWN,
    "release": OWN,
    "set_pending": (None, "done", "failed"),
}
REACHES = {
    "claim": "submitted", "claim_any": "submitted", "take_over": "submitted",
    "started": "running", "failed": "failed", "done": "done", "release": "pending",
    "set_pending": "pending",
}  # fmt: skip
OWNERS = st.sampled_from(["driver 1", "driver 2"])


def machine(database, runs):
    """Return a machine class that changes one run in any order and knows the right result."""

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.number = secrets.randbelow(10**6)
            while runs.find_one({"number": self.number}):
                self.number = secrets.randbelow(10**6)
            runs.insert_one(document(self.number))
            self.status: str | None = None
            self.owner: str | None = None
            self.attempt = 0
            self.failed = 0
            self.changes = 0

        def expect(self, action: str, happened: bool, whose: bool = True) -> bool:
            may = self.status in MAY_LEAVE[action] and whose
            assert happened == may, (action, self.status, self.owner)
            if may:
                self.status = REACHES[action]
                self.changes += 1
                self.failed += self.status == "failed"
            return may

        @rule(owner=OWNERS, action=st.sampled_from(["claim", "claim_any"]))
        def claim(self, owner, action):
            if self.status == "submitted" and self.owner == owner:
                return  # the claim it has already; tested elsewhere
            claim = (
                database.claim_any(self.number, owner, ["events"])
                if action == "claim_any"
                else claim_pending(database, self.number, owner, ["events"])
            )
            if self.expect(action, claim is not None):
                self.owner = owner
                self.attempt += 1
                assert claim == Claim(self.number, owner, self.attempt)

        @rule(owner=OWNERS)
        def take_over(self, owner):
            for run in database.claimed():
                if run.number == self.number and run.owner != owner:
                    claim = take_over(database, run, owner, ["events"])
                    assert self.expect("take_over", claim is not None)
                    self.owner = owner
                    self.attempt += 1
                    assert claim == Claim(self.number, owner, self.attempt)

        @rule(owner=OWNERS)
        def started(self, owner):
            again = self.status == "failed"
            happened = database.started(Claim(self.number, owner, 1), "process")
            if self.expect("started", happened, whose=owner == self.owner) and again:
                self.attempt += 1

        @rule(owner=OWNERS)
        def fails(self, owner):
            happened = fail(database, Claim(self.number, owner, 1))
            self.expect("failed", happened, whose=owner == self.owner)

        @rule(owner=OWNERS)
        def done(self, owner):
            happened = database.done(Claim(self.number, owner, 1))
            if self.status == "done":
                assert happened == (owner == self.owner)
            else:
                self.expect("done", happened, whose=owner == self.owner)

        @rule(owner=OWNERS)
        def release(self, owner):
            happened = database.release(Claim(self.number, owner, 1), "stopped")
            if self.expect("release", happened, whose=owner == self.owner):
                self.owner = None

        @rule()
        def set_pending(self):
            if self.expect("set_pending", database.set_pending(self.number, "astrid")):
                self.owner = None

        @invariant()
        def the_document_is_right(self):
            found = database.get(self.number)
            processing = found.get("processing", {})
            check_history(found, first=None)
            assert found.get("processing_status") == self.status
            assert found.get("processing_failed", 0) == self.failed
            assert len(processing.get("history", [])) == self.changes
            assert processing.get("attempt", 0) == self.attempt
            assert processing.get("owner") == self.owner
            assert ("failure" in processing) == (self.status == "failed")
            waits = {run.number for run in database.pending(ALL)}
            assert (self.number in waits) == (self.status == "pending")

    return Machine


def test_no_order_of_changes_leads_astray(database, runs):
    runs.create_index("number")
    run_state_machine_as_test(
        machine(database, runs),
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# The server goes and comes, and lets in or does not


def test_a_stopped_server_is_transient_and_its_return_is_noticed(tmp_path):
    with restartable(tmp_path / "db") as mongod:
        config = scratch(mongod.server, options=FAST)
        with rundb.open_database(config) as database:
            database.insert(document(932, processing_status="pending"))
            mongod.stop()
            where = f"127.0.0.1:{mongod.server.port}"
            for ask in (
                lambda: database.pending(ALL),
                lambda: claim_pending(database, 932, "me", []),
            ):
                with pytest.raises(TransientError, match=f"{where} does not respond") as error:
                    ask()
                assert "pymongo" not in "".join(traceback.format_exception(error.value))
            with (
                pytest.raises(TransientError, match="is MongoDB running there"),
                rundb.open_database(config),
            ):
                pass
            mongod.start()
            assert database.pending(ALL)
            assert claim_pending(database, 932, "me", []) == Claim(932, "me", 1)


def test_a_connection_is_opened_once_and_again_after_its_end(config):
    with contextlib.closing(rundb.Connection(config)) as connection:
        first = connection.opened()
        with connection as database:
            assert database is first
        with connection as database:
            assert database is not first
            assert database.pending(ALL) == []


def test_an_unknown_host_is_transient(config):
    other = Rundb(**{**vars(config), "uri": f"mongodb://no-such-host.invalid:1/?{FAST}"})
    with pytest.raises(TransientError, match=r"no-such-host.invalid:1 does not respond"):
        rundb.open_database(other).__enter__()


@pytest.mark.parametrize(
    "uri",
    ["mongodb://127.0.0.1:port", "mongodb://127.0.0.1:27017/?serverSelectionTimeoutMS=soon",
     "mongodb://127.0.0.1:27017/?tls=perhaps", "mongodb://[::1", "mongodb://h:1/?spelt=wrong",
     "mongodb://", "mongodb:///db", "mongodb://h:99999"],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_configuration(uri, config):
    with pytest.raises(ConfigurationError, match=r"rundb.uri"):
        rundb.open_database(Rundb(**{**vars(config), "uri": uri})).__enter__()


def test_an_address_with_a_password_is_refused_and_not_shown(config):
    other = Rundb(**{**vars(config), "uri": "mongodb://daq:s3cr3t@127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match=r"rundb.uri contains a user") as error:
        rundb.open_database(other).__enter__()
    assert "s3cr3t" not in "".join(traceback.format_exception(error.value))


def without_file(config: Rundb) -> Rundb:
    return Rundb(**{**vars(config), "credentials_file": None})


def test_user_and_password_from_the_file(mongod_with_users):
    with rundb.open_database(scratch(mongod_with_users)) as database:
        database.insert(document(932))
        assert mongod_with_users.password not in repr(database) + repr(vars(database))


def test_user_and_password_from_the_environment(mongod_with_users, monkeypatch):
    monkeypatch.setenv("MONGO_USER", mongod_with_users.user)
    monkeypatch.setenv("MONGO_PASSWORD", mongod_with_users.password)
    with rundb.open_database(without_file(scratch(mongod_with_users))) as database:
        database.insert(document(932))


def test_a_wrong_password_is_configuration_and_not_shown(mongod_with_users, monkeypatch):
    config = scratch(mongod_with_users)
    monkeypatch.setenv("MONGO_USER", mongod_with_users.user)
    monkeypatch.setenv("MONGO_PASSWORD", "wr0ng-w0rd")
    with pytest.raises(
        ConfigurationError, match=r"rejects the user or password: .*MONGO_USER"
    ) as error:
        rundb.open_database(config).__enter__()
    assert "wr0ng-w0rd" not in "".join(traceback.format_exception(error.value))


def test_no_password_is_configuration(mongod_with_users):
    with (
        rundb.open_database(without_file(scratch(mongod_with_users))) as database,
        pytest.raises(ConfigurationError, match=r"requires authentication\): check MONGO_USER"),
    ):
        database.pending(ALL)


def test_a_user_who_may_only_read_can_look(mongod_with_users, monkeypatch):
    config = scratch(mongod_with_users)
    with rundb.open_database(config) as database:
        claimed_run = document(932, processing_status="pending")
        database.insert(claimed_run)
        database.insert(document(933, processing_status="pending"))
        claim_pending(database, 933, "driver 1", [])
    name = f"reader_{secrets.token_hex(4)}"
    with pymongo.MongoClient(
        mongod_with_users.uri,
        username=mongod_with_users.user,
        password=mongod_with_users.password,
    ) as admin:
        admin.admin.command(
            "createUser", name, pwd="only read", roles=[{"role": "read", "db": config.database}]
        )
    monkeypatch.setenv("MONGO_USER", name)
    monkeypatch.setenv("MONGO_PASSWORD", "only read")
    with rundb.open_database(config) as database:
        assert [run.number for run in database.pending(ALL)] == [932]
        assert [run.number for run in database.claimed()] == [933]
        assert [run.number for run in database.runs()] == [933, 932]
        assert database.get(932)["number"] == 932
        for write in (
            lambda: claim_pending(database, 932, "me", []),
            lambda: database.add_data(932, ENTRY),
            lambda: database.heartbeat("me"),
        ):
            with pytest.raises(ConfigurationError, match="does not allow this") as error:
                write()
            assert len(str(error.value)) < 300
            assert "\n" not in str(error.value)


def test_a_document_that_grows_too_large_is_bad_data(database, runs):
    runs.insert_one(document(932, comments=["x" * (16 * 2**20 - 10_000)]))
    with pytest.raises(BadDataError, match="larger than MongoDB"):
        database.add_data(932, {**ENTRY, "meta": "x" * 20_000})


def test_a_number_stored_as_a_double_is_a_run_number(runs, database):
    """JavaScript, and so MongoDB's own shell, writes it like this."""
    runs.insert_one({**document(932), "number": 932.0, "processing_status": "pending"})
    runs.insert_one({**document(933), "number": 933.5, "processing_status": "pending"})
    (pending,) = database.pending(ALL)
    assert (pending.number, type(pending.number)) == (932, int)
    claim = claim_pending(database, 932, "me", ["events"])
    assert claim == Claim(932, "me", 1)
    assert [type(run.number) for run in database.claimed()] == [int]
    assert [(run.number, type(run.number)) for run in database.runs()] == [(932, int)]
    (found,) = database.documents(["number"])
    assert type(found["number"]) is int
    assert database.done(claim)
    assert rundoc.whole(database.get(932)["number"]) == 932


@pytest.mark.parametrize(
    "option", ["w=0", "readPreference=secondary", "readConcernLevel=available"]
)
def test_claims_are_read_from_the_primary_and_acknowledged_whatever_the_address_says(
    option, tmp_path
):
    with restartable(tmp_path, options=["--replSet", "rs"]) as mongod:
        make_replica_set(mongod.server)
        config = scratch(mongod.server, options=f"replicaSet=rs&{option}&{FAST}")
        with rundb.open_database(config) as database:
            database.insert(document(932, processing_status="pending"))
            claim = claim_pending(database, 932, "me", ["events"])
            assert claim == Claim(932, "me", 1)
            assert database.started(claim, "process")
            assert database.add_data(932, {"type": "events"})
            assert not database.add_data(932, {"type": "events"})
            assert database.done(claim)


def judged(verdict: str, *notes: dict[str, Any], since: str = "000001") -> dict[str, Any]:
    odd = [{"name": "noise_ch0", "since": since}] if verdict == "odd" else []
    return {"verdict": verdict, "odd": odd, "known": list(notes), "reference": "", "time": ""}


def test_a_verdict_changes_no_status_and_keeps_the_notes_of_others(database, runs):
    note = {"text": "broken", "by": "anna", "time": "1", "names": ["noise_ch0"]}
    database.insert(document(1, processing_status="done"))
    assert database.set_health(1, judged("odd", note))
    assert not database.set_health(1, judged("odd", note))
    other = note | {"by": "bob", "time": "2"}
    runs.update_one({"number": 1}, {"$push": {"processing.health.known": other}})
    assert not database.set_health(1, judged("odd", note)), "the note of bob stays"
    assert runs.find_one({"number": 1})["processing"] == {"health": judged("odd", note, other)}
    assert database.set_health(1, judged("odd", since="000002")), "notes on another problem lapse"
    another = judged("odd", since="000002")
    assert runs.find_one({"number": 1})["processing"] == {"health": another}
    assert database.set_health(1, judged("usual"))
    found = runs.find_one({"number": 1})
    assert found["processing"] == {"health": judged("usual")}
    assert found["processing_status"] == "done"


def test_a_verdict_replaces_whatever_is_in_its_place(database, runs):
    database.insert(document(1, processing={"health": "well", "history": []}))
    database.insert(document(2, processing="by hand"))
    for number in (1, 2):
        assert database.set_health(number, judged("usual"))
        assert runs.find_one({"number": number})["processing"]["health"] == judged("usual")
    assert runs.find_one({"number": 2})["processing"]["was"] == "by hand"


def test_a_checksum_tells_whether_fields_of_any_run_have_changed(database, runs):
    for number in range(1, 4):
        database.insert({"number": number, "mode": "led", "tags": [{"name": "x"}], "user": "a"})
    fields = ("number", "mode", "tags.name")
    before = database.checksum(fields)
    runs.update_one({"number": 2}, {"$set": {"user": "b", "processing": {"stage": "x"}}})
    assert database.checksum(fields) == before
    found = {before}
    for change in ({"$set": {"tags.0.name": "y"}}, {"$unset": {"mode": ""}}):
        runs.update_one({"number": 3}, change)
        found.add(database.checksum(fields))
    runs.delete_one({"number": 1})
    found.add(database.checksum(fields))
    assert len(found) == 4
