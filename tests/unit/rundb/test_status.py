import pytest

from xamsflow.rundb import status
from xamsflow.rundb.status import State, Status, understand

OWNED = {"processing": {"owner": "a driver"}}


@pytest.mark.parametrize(
    ("value", "expected", "reason"),
    [
        ("pending", Status.PENDING, None),
        ("submitted", Status.SUBMITTED, None),
        ("running", Status.RUNNING, None),
        ("done", Status.DONE, None),
        ("failed", Status.FAILED, None),
        ("submitted_job", Status.SUBMITTED, None),
        ("building_raw_records", Status.RUNNING, None),
        ("processing", Status.RUNNING, None),
        ("failed due to no space: left", Status.FAILED, "no space: left"),
        ({"status": "submitted", "host": "stbc"}, Status.SUBMITTED, None),
        ({"status": "failed", "reason": "killed"}, Status.FAILED, "killed"),
        ({"status": "failed", "reason": None}, Status.FAILED, None),
        ({"status": "pending"}, Status.PENDING, None),
    ],
)
def test_each_form_in_the_wild_is_understood(value, expected, reason):
    view = understand(value)
    assert (view.status, view.reason, view.raw) == (expected, reason, value)


@pytest.mark.parametrize(
    "value",
    [None, "", "Pending", "pending ", "queued", 3, True, ["pending"], {}, {"status": None},
     {"status": ["pending"]}, {"state": "done"}],
)  # fmt: skip
def test_what_nobody_understands_is_kept_as_it_is(value):
    view = understand(value)
    assert view.status is None
    assert view.raw is value


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, State.ABSENT),
        ({"processing_status": None}, State.ABSENT),
        ({"processing_status": "queued"}, State.UNKNOWN),
        ({"processing_status": "pending"}, State.PENDING),
        ({"processing_status": "running"}, State.ELSEWHERE),
        ({"processing_status": "running", **OWNED}, State.RUNNING),
        ({"processing_status": "submitted", **OWNED}, State.SUBMITTED),
        ({"processing_status": "submitted", "processing": "a text"}, State.ELSEWHERE),
        # An older tool took the run after a driver of ours had ended it.
        ({"processing_status": "processing", **OWNED}, State.ELSEWHERE),
        ({"processing_status": {"status": "running"}, **OWNED}, State.ELSEWHERE),
        ({"processing_status": "failed due to x"}, State.FAILED),
        ({"processing_status": {"status": "done"}}, State.DONE),
    ],
)
def test_a_run_is_ours_only_in_our_words_and_with_an_owner(document, expected):
    assert status.state(document) is expected


def test_nothing_takes_a_claimed_run_but_a_take_over():
    for transition in (status.CLAIM, status.CLAIM_ANY, status.SET_PENDING):
        assert not transition.leaves & {State.SUBMITTED, State.RUNNING}
