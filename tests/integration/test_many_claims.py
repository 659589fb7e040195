"""Many runs claimed at once: each independently, whatever happens to the others."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pymongo
import pytest

from servers.mongod import collection, restartable, scratch, with_rival
from xamsflow import rundb
from xamsflow.base import clock
from xamsflow.base.errors import FailureClass, ResourcesError, TransientError, XamsflowError
from xamsflow.rundb import claiming
from xamsflow.settings.config import Select
from xamsflow.state.claims import Claim

SELECT = Select(force_tags=("process",))
MONGODB_LIMIT = 16 * 2**20


def document(number: Any, /, **fields: Any) -> dict[str, Any]:
    return {
        "number": number,
        "mode": "xamsl_led",
        "end": clock.now(),
        "processing_status": "pending",
        **fields,
    }


def claim(database, pending, owner):
    """Claim the runs found pending; return the claims by number."""
    claims = database.claim_pending(
        {run: ["events"] for run in pending}, owner, force_tags=SELECT.force_tags
    )
    assert len({claim.number for claim in claims}) == len(claims)
    return {claim.number: claim for claim in claims}


def statuses(runs) -> dict[Any, str]:
    return {found["number"]: found["processing_status"] for found in runs.find()}


def test_drivers_together_claim_each_run_once(config, runs):
    numbers = range(60)
    runs.insert_many(document(number) for number in numbers)
    drivers = 8
    barrier = threading.Barrier(drivers)

    def drive(i):
        with rundb.open_database(config) as database:
            pending = database.pending(SELECT)
            assert len(pending) == len(numbers)
            if i % 2:
                pending.reverse()  # so that they meet in the middle too
            barrier.wait()
            return claim(database, pending, f"driver {i}")

    with ThreadPoolExecutor(drivers) as pool:
        claims = [one for ours in pool.map(drive, range(drivers)) for one in ours.values()]
    assert sorted(one.number for one in claims) == list(numbers)
    owners = {one.number: one.owner for one in claims}
    for found in runs.find():
        processing = found["processing"]
        assert processing["owner"] == owners[found["number"]]
        assert (processing["attempt"], processing["targets"]) == (1, ["events"])
        assert [entry["by"] for entry in processing["history"]] == [processing["owner"]]


def test_more_runs_than_one_request_takes(database, runs):
    number = 5 * claiming.CLAIMS_AT_ONCE
    runs.create_index("number")
    runs.insert_many(document(i) for i in range(number))
    pending = database.pending(SELECT)
    claims = claim(database, pending, "me")
    assert claims == {i: Claim(i, "me", 1) for i in range(number)}
    assert runs.count_documents({"processing.history": {"$size": 1}}) == number
    assert database.pending(SELECT) == []


def test_nothing_to_claim_asks_nobody(database):
    assert claim(database, [], "me") == {}
    assert database.take_over({}, "me") == []


def test_each_run_in_its_own_way(database, runs, caplog):
    soon = clock.now() - timedelta(seconds=1)
    tags = [{"name": "process"}, {"name": "messy"}]
    tries = {"tries": 3, "tries_by_class": {"resources": 2, "transient": 1}}
    history = [{"from": "running", "to": "failed"}]
    failed = {"attempt": 3, "retry_at": soon, "reason": "x", "history": history, **tries}
    runs.insert_many(
        [
            document(1),
            document(2, processing_status="done", tags=tags),
            document(3, processing_status="failed", processing=failed),
            document(4, processing="a text"),
            document(5, processing={"history": "none", "attempt": 1}),
            document(6, tags=tags),
            document(7),
            document(8),
            document(9),
            document(10),
            document(11, processing_status="done", tags=tags),
        ]
    )
    pending = database.pending(SELECT)
    assert len(pending) == 11
    # Meanwhile,
    runs.insert_many([document(7), document([8, 99])])  # there are more of these
    runs.delete_one({"number": 9})
    other = claim(database, [run for run in pending if run.number == 10], "other")
    runs.update_one({"number": 11}, {"$pull": {"tags": {"name": "process"}}})
    theirs = runs.find_one({"number": 10})

    claims = claim(database, pending, "me")
    assert claims == {
        1: Claim(1, "me", 1),
        2: Claim(2, "me", 1),
        3: Claim(3, "me", 4, shortages=2),
        4: Claim(4, "me", 1),
        5: Claim(5, "me", 2),
        6: Claim(6, "me", 1),
    }
    assert list(other) == [10]
    assert "run 000007 has several documents" in caplog.text
    assert "run 000008 has several documents" in caplog.text
    assert runs.find_one({"number": 10}) == theirs
    for number in (2, 6):
        forced = database.get(number)
        assert forced["tags"] == [{"name": "messy"}]
        assert forced["processing"]["forced"] is True
        assert forced["processing"]["history"][-1]["tags_removed"] == ["process"]
    again = database.get(3)["processing"]
    assert [entry["to"] for entry in again["history"]] == ["failed", "submitted"]
    assert not {"retry_at", "reason"} & set(again)
    assert database.get(4)["processing"]["was"] == "a text"
    assert database.get(5)["processing"]["was"] == {"history": "none"}
    assert database.get(11)["processing_status"] == "done"
    # The same owner gets the same claims, in case the answer was lost; nobody else gets any.
    before = list(runs.find())
    assert claim(database, pending, "me") == claims
    assert claim(database, pending, "another") == {}
    assert list(runs.find()) == before


def test_a_retry_whose_time_was_changed_is_left(database, runs):
    soon = clock.now() - timedelta(seconds=1)
    runs.insert_one(
        document(1, processing_status="failed", processing={"retry_at": soon, "attempt": 1})
    )
    pending = database.pending(SELECT)
    runs.update_one({}, {"$set": {"processing.retry_at": soon - timedelta(seconds=9)}})
    assert claim(database, pending, "me") == {}
    assert statuses(runs) == {1: "failed"}


def test_a_run_that_is_changed_just_before_is_looked_at_again(database, runs, monkeypatch):
    runs.insert_many([document(1), document(2)])
    pending = database.pending(SELECT)
    ask = clock.now

    def now():
        monkeypatch.setattr(clock, "now", ask)
        runs.update_one({"number": 1}, {"$inc": {"processing_failed": 1}})
        return ask()

    monkeypatch.setattr(clock, "now", now)
    assert list(claim(database, pending, "me")) == [2, 1]
    assert database.get(1)["processing_failed"] == 1


def test_a_run_that_changes_all_the_time_keeps_nobody_from_the_others(
    database, runs, monkeypatch, caplog
):
    runs.insert_many([document(1), document(2)])
    pending = database.pending(SELECT)
    ask = clock.now

    def now():
        runs.update_one({"number": 1}, {"$inc": {"processing_failed": 1}})
        return ask()

    monkeypatch.setattr(clock, "now", now)
    assert list(claim(database, pending, "me")) == [2]
    assert "others keep changing the status of run 000001" in caplog.text


def test_a_document_that_would_be_too_large_keeps_nobody_from_the_others(database, runs, caplog):
    runs.insert_many(document(i) for i in (1, 3))
    runs.insert_one(document(2, comments=["x" * (MONGODB_LIMIT - 300)]))
    assert sorted(claim(database, database.pending(SELECT), "me")) == [1, 3]
    assert "not processed: run 000002" in caplog.text
    assert "larger than MongoDB" in caplog.text
    assert statuses(runs) == {1: "submitted", 2: "pending", 3: "submitted"}


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({"processing_status": "done", "processing.owner": None}, True),
        ({"processing_status": "processing"}, True),  # an older tool's word
        ({"processing.owner": "a driver that was faster"}, False),
    ],
)
def test_a_claim_that_is_not_there_when_read_back_is_told(change, is_told, config, runs, caplog):
    runs.insert_many([document(1), document(2)])

    def undo() -> None:
        runs.update_one({"number": 1}, {"$set": change})

    with with_rival(config, "update", undo) as database:
        assert list(claim(database, database.pending(SELECT), "me")) == [2]
    told = "run 000001: the run database does not show the claim that was just written"
    assert (told in caplog.text) is is_told
    assert "000002" not in caplog.text


# The connection breaks, or the server refuses


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    options = ["--setParameter", "enableTestCommands=1"]
    with restartable(tmp_path_factory.mktemp("fragile"), options=options) as mongod:
        yield mongod.server


@contextmanager
def failing(server, command: str, skip: int, **how: Any):
    """Make a server fail on a command every time after the first `skip` times."""
    with pymongo.MongoClient(server.uri) as client:
        point = {"configureFailPoint": "failCommand"}
        data = {"failCommands": [command], "appName": "xamsflow", **how}
        client.admin.command({**point, "mode": {"skip": skip}, "data": data})
        try:
            yield
        finally:
            client.admin.command({**point, "mode": "off"})


@pytest.mark.parametrize(
    ("command", "skip", "claimed"),
    [("find", 0, 0), ("update", 0, 0), ("find", 1, 10), ("update", 1, 10), ("find", 3, 20)],
)
def test_a_connection_that_breaks_leaves_nothing_unknown(
    command, skip, claimed, fragile, monkeypatch
):
    monkeypatch.setattr(claiming, "CLAIMS_AT_ONCE", 10)
    config = scratch(fragile)
    with collection(fragile, config) as runs, rundb.open_database(config) as database:
        runs.insert_many(document(i) for i in range(25))
        pending = database.pending(SELECT)
        with (
            failing(fragile, command, skip, closeConnection=True),
            pytest.raises(TransientError, match="does not respond"),
        ):
            claim(database, pending, "me")
        # The next driver finds what is claimed, and that its driver is dead.
        found = database.claimed()
        assert [(run.owner, run.attempt) for run in found] == [("me", 1)] * claimed
        # A driver that only lost the answer may claim again.
        assert claim(database, pending, "me") == {i: Claim(i, "me", 1) for i in range(25)}
        assert runs.count_documents({"processing.history": {"$size": 1}}) == 25
        database.failed(Claim(3, "me", 1), "transfer", reason="x", failure=FailureClass.TRANSIENT)
        assert 3 not in claim(database, pending, "me")


@pytest.mark.parametrize(
    ("how", "kind", "match"),
    [
        ({"errorCode": 14031}, ResourcesError, "no disk space left"),
        ({"writeConcernError": {"code": 64, "errmsg": "waited"}}, XamsflowError, "waited"),
        (
            {"writeConcernError": {"code": 11602, "errmsg": "stepped down"}},
            TransientError,
            "stepped down",
        ),
    ],
)
def test_what_the_server_refuses_is_told_in_our_words(how, kind, match, fragile):
    config = scratch(fragile)
    with collection(fragile, config) as runs, rundb.open_database(config) as database:
        runs.insert_many(document(i) for i in range(3))
        pending = database.pending(SELECT)
        with failing(fragile, "update", 0, **how), pytest.raises(kind, match=match) as error:
            claim(database, pending, "me")
        assert type(error.value) is kind
        assert "\n" not in str(error.value)
        assert sorted(claim(database, pending, "me")) == [0, 1, 2]
