import contextlib
from pathlib import Path

import pytest

from servers.mongod import collection, scratch
from xamsflow import rundb
from xamsflow.base.errors import BadDataError, FailureClass
from xamsflow.run.claimed_runs import ClaimedRuns
from xamsflow.run.failures import Failure
from xamsflow.run.interrupt import Interrupt
from xamsflow.run.outcomes import Outcomes
from xamsflow.settings import config
from xamsflow.state import layout, receipts
from xamsflow.state.claims import Claim

RUN = "000932"


def publish(data=()):
    receipts.write(layout.rundoc_receipt(RUN), {"run_id": RUN, "data": list(data)})


@pytest.fixture
def claim(tmp_path, monkeypatch):
    """Return a function that claims the run and returns the outcomes of its driver."""
    monkeypatch.chdir(tmp_path)
    held = ClaimedRuns(config.load([]))

    def claimed():
        held.want(932, "", is_taken=False)
        assert not held.hold([Claim(932, "shift@host:1", 1)], reprocess=())
        return Outcomes(config.load([]), held, Interrupt(), lambda: pytest.fail("not needed"))

    return claimed


def test_a_claimed_run_is_done_once_it_is_published(claim):
    outcomes = claim()
    assert not outcomes.is_done(RUN)
    publish()
    assert outcomes.is_done(RUN)


def test_a_run_published_before_it_was_claimed_is_done_only_when_published_again(claim):
    publish()
    outcomes = claim()
    assert not outcomes.is_done(RUN)
    publish()
    assert outcomes.is_done(RUN)
    assert not claim().is_done(RUN)


@pytest.fixture
def two_runs(tmp_path, monkeypatch, mongod):
    """Return outcomes, the run database, two claimed runs, of which the first has lost its
    document, and the collection.
    """
    monkeypatch.chdir(tmp_path)
    held, address = ClaimedRuns(config.load([])), scratch(mongod)
    with collection(mongod, address) as runs, rundb.open_database(address) as database:
        for number in (932, 933):
            database.insert({"number": number, "processing_status": "pending"})
            held.want(number, "", is_taken=False)
        claims = [database.claim_any(number, "shift@host:1", []) for number in (932, 933)]
        assert not held.hold(claims, reprocess=())
        runs.delete_one({"number": 932})
        connection = contextlib.nullcontext
        outcomes = Outcomes(config.load([]), held, Interrupt(), lambda: connection(database))
        yield outcomes, database, held, runs


def test_a_run_without_a_document_keeps_no_other_from_being_given_back(two_runs, caplog):
    outcomes, database, held, runs = two_runs
    assert [outcomes.give_back(database, run, "stopped") for run in held.all()] == [False, True]
    assert runs.find_one({"number": 933})["processing_status"] == "pending"
    assert "run 000932 is not in" in caplog.text


def test_a_run_without_a_document_keeps_no_other_from_being_begun(two_runs):
    outcomes, database, held, runs = two_runs
    for claim in held.all().values():
        outcomes.cannot_begin(database, claim, BadDataError("its folder is read-only"))
    assert runs.find_one({"number": 933})["processing_status"] == "failed"
    assert not held.all()


def test_a_run_without_a_document_keeps_no_other_failure_from_being_written_again(two_runs):
    outcomes, database, held, runs = two_runs
    for run in held.all():
        log = Path(layout.LOGS["transfer"].format(run_id=run))
        log.parent.mkdir(parents=True, exist_ok=True)
        Failure("a disk is broken", FailureClass.BAD_DATA).write(Failure.file(log))
        outcomes.job_failed("transfer", {"run_id": run})
    runs.update_one({"number": 933}, {"$set": {"processing_status": "running"}})
    outcomes.tell_again(database)
    assert runs.find_one({"number": 933})["processing_status"] == "failed"
