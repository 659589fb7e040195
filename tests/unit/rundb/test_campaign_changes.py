from datetime import UTC, datetime, timedelta

import pytest

from xamsflow.rundb import run_document, status
from xamsflow.rundb.campaign_changes import PutBack, Request
from xamsflow.rundb.changes import Change

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = Request("gains", (), "astrid", "new gains")
RETRY = Request("gains", (), "astrid", "disk is back", again=True)
PUT_BACK = PutBack("gains", "astrid", "shift work")


def changed(document, change, time=NOW):
    """Return a document after a change, as MongoDB makes it."""
    assert change.allowed(document)
    after = {**document, "processing": {**document["processing"]}}
    update = change.update(document, time)
    for operator in ("$set", "$unset"):
        for key, value in update.get(operator, {}).items():
            *way, last = key.split(".")
            place = after
            for name in way:
                place[name] = {**place.get(name, {})}
                place = place[name]
            if operator == "$set":
                place[last] = value
            else:
                place.pop(last, None)
    return after


@pytest.fixture
def failed():
    """Return the document of a run that has failed for the campaign."""
    done = {"_id": 1, "processing_status": "done", "processing": {"attempt": 1, "owner": "a"}}
    failed = {**changed(done, REQUEST), "processing_status": "failed"}
    failed["processing"] |= {"attempt": 2, "owner": "b", "retry_at": NOW + timedelta(days=1)}
    return failed


def test_a_retried_run_waits_for_the_end_of_a_pause(failed):
    waiting = changed(failed, RETRY)
    assert not PUT_BACK.allowed(waiting), "resume would not request it again"
    waiting["processing"]["campaign"]["paused"] = True
    assert run_document.is_paused(waiting)


def test_ending_a_campaign_puts_retried_runs_back(failed):
    ended = PutBack("gains", "astrid", "no more", retried=True)
    back = changed(changed(failed, RETRY), ended)
    assert back["processing_status"] == "failed"
    assert back["processing"]["retry_at"] == failed["processing"]["retry_at"]


def test_a_pause_puts_back_a_run_of_an_earlier_campaign(failed):
    later = Request("drift", (), "astrid", "new drift velocity")
    back = changed(changed(failed, later), PutBack("drift", "astrid", "shift work"))
    assert back["processing_status"] == "failed"
    assert run_document.campaign(back) == "gains"


def test_a_campaign_cannot_take_back_the_request_of_a_person():
    done = {"_id": 1, "processing_status": "done", "processing": {"attempt": 1, "owner": "a"}}
    waiting = changed(done, REQUEST)
    waiting["processing"]["campaign"]["paused"] = True
    assert PUT_BACK.allowed(waiting)
    clears = ("owner", "reprocess")
    person = Change(status.SET_PENDING, by="astrid", clears=clears, asked=True)
    requested = changed(waiting, person)
    assert requested["processing_status"] == "pending"
    assert run_document.is_to_be_reprocessed(requested), "as the campaign requested"
    assert run_document.campaign(requested) is None
    assert not run_document.is_paused(requested)
    assert not PUT_BACK.allowed(requested)
    assert not REQUEST.allowed(requested)
