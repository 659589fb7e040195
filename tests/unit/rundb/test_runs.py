import json
from datetime import UTC, datetime, timedelta

import pytest

from servers.mongod import collection, scratch
from xamsflow import rundb
from xamsflow.rundb import RunSummary, Status
from xamsflow.state import layout

START = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
END = START + timedelta(minutes=20)
NOW = END + timedelta(hours=1)


def document(number=932, **more):
    return {
        "number": number,
        "mode": "xamsl_V1730_30ADC_th",
        "start": START,
        "end": END,
        "tags": [{"name": "messy", "user": "daq"}],
        "data": [{"type": "live", "host": "daq", "location": "/daq"}],
        "now": NOW,
    } | more


def test_a_row_says_what_the_run_document_says():
    row = RunSummary.of(
        document(
            processing_status="running",
            processing_failed=3,
            processing={
                "stage": "process",
                "attempt": 2,
                "tries": 1,
                "host": "wn-1",
                "job_id": "17.stbc",
                "owner": "stbc-i1:7:8:boot",
                "log": "/logs/process/000932.log",
                "time": NOW - timedelta(minutes=9),
                "heartbeat": NOW - timedelta(minutes=2),
                "progress": {"chunk": 3, "n_chunks": 9, "time": NOW - timedelta(seconds=20)},
            },
        )
    )
    assert (row.run, row.length_s, row.status) == ("000932", 1200.0, Status.RUNNING)
    assert (row.stage, row.attempt, row.tries, row.failures) == ("process", 2, 1, 3)
    assert (row.host, row.job_id, row.tags) == ("wn-1", "17.stbc", ("messy",))
    assert row.age_s == 20.0
    assert row.progress["chunk"] == 3
    assert (row.size_mb, row.stored_mb) == (None, None)


def test_the_size_is_that_of_the_live_data_and_each_data_set_counts_once():
    ours = {"protocol": "FileSytemBackend", "by": "anna"}
    raw = {"type": "raw_records_v1730", "size_mb": 50.0, "lineage_hash": "abc", **ours}
    records = {"type": "records", "size_mb": 25.0, "lineage_hash": "def", **ours}
    another = {"type": "records", "size_mb": 99.0, "lineage_hash": "amstrax's", "user": "bob"}
    live = {"type": "live", "host": "stbc", "size_mb": 80.0}
    row = RunSummary.of(
        document(data=[live, raw, {**raw, "host": "dcache"}, records, another, "?"])
    )
    assert (row.size_mb, row.stored_mb) == (80.0, 75.0)
    row = RunSummary.of(document(data=[raw, records]))
    assert (row.size_mb, row.stored_mb) == (50.0, 75.0)


def test_a_failed_run_says_why_and_when_it_is_tried_again():
    retry_at = NOW + timedelta(minutes=10)
    row = RunSummary.of(
        document(
            processing_status="failed",
            processing={
                "reason": "the DAQ host is away",
                "failure": "transient",
                "retry_at": retry_at,
                "time": NOW - timedelta(minutes=9),
                "heartbeat": NOW,
                "progress": {"chunk": 1},
                "quality": {"verdict": "degraded"},
            },
        )
    )
    assert (row.reason, row.failure, row.retry_at) == (
        "the DAQ host is away",
        "transient",
        retry_at,
    )
    assert row.verdict == "degraded"
    assert row.age_s == 540.0  # a heartbeat of a driver that goes on with other runs is no sign
    assert row.progress is None


@pytest.mark.parametrize(
    ("value", "status", "reason", "host"),
    [
        ("failed due to no space", Status.FAILED, "no space", None),
        ("building_records", Status.RUNNING, None, None),
        (
            {"status": "failed", "reason": "killed", "host": "wn-7", "time": END},
            Status.FAILED,
            "killed",
            "wn-7",
        ),
        ("queued by hand", None, None, None),
        (3, None, None, None),
        (None, None, None, None),
    ],
)
def test_statuses_of_older_tools_are_understood(value, status, reason, host):
    row = RunSummary.of(document(processing_status=value))
    assert (row.status, row.reason, row.host) == (status, reason, host)
    assert row.status_found == value
    assert row.changed == (END if isinstance(value, dict) else None)


@pytest.mark.parametrize(
    "broken",
    [
        {"start": 3, "end": "?", "mode": None, "tags": "x", "data": "x", "processing": "x"},
        {"tags": [3, {"name": 4}], "data": [{"type": 4, "size_mb": "x"}, 3]},
        {"processing": {"progress": 3, "quality": 4, "time": "x", "attempt": "x", "host": 3}},
        {"end": None},
    ],
)
def test_what_is_broken_in_a_document_leaves_a_row_with_the_rest(broken):
    row = RunSummary.of(document(**broken))
    assert row.run == "000932"
    json.dumps(row.to_json())


def test_json_has_times_in_utc_and_the_status_as_a_word():
    made = RunSummary.of(document(processing_status="pending")).to_json()
    assert made["run"] == "000932"
    assert made["start"] == "2024-03-01T12:00:00+00:00"
    assert made["status"] == "pending"
    assert json.loads(json.dumps(made)) == made


def test_rows_are_read_by_one_query_with_the_ages_of_the_servers_clock(mongod):
    config = scratch(mongod)
    with collection(mongod, config) as runs, rundb.open_database(config) as database:
        assert database.runs() == []
        for number in (930, 932, 935):
            runs.insert_one({k: v for k, v in document(number).items() if k != "now"})
        runs.insert_many([{"number": "933"}, {"number": True}, {"number": -4}])
        database.set_pending(932, "astrid")
        rows = database.runs()
        assert [row.number for row in rows] == [935, 932, 930]
        assert rows[1].status is Status.PENDING
        assert 0 <= rows[1].age_s < 600
        chosen = database.runs([range(930, 933), range(935, 936)])
        assert [row.number for row in chosen] == [935, 932, 930]
        assert database.runs([range(931, 932)]) == []
        assert database.runs([]) == []


def test_the_documents_explain_every_key():
    text = (layout.REPOSITORY / "docs" / "reference" / "json.md").read_text()
    for key in RunSummary.of(document()).to_json():
        assert f"`{key}`" in text, key
