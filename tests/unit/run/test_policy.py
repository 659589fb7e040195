from dataclasses import replace

import pytest

from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    FailureClass,
    StillTakenError,
    TransientError,
)
from xamsflow.run import policy
from xamsflow.settings import config

RETRY = config.load().retry


@pytest.mark.parametrize("failure", [FailureClass.BAD_DATA, FailureClass.CONFIGURATION])
def test_what_a_person_must_mend_is_never_tried_again(failure):
    assert policy.pause_s(failure, 1, RETRY) is None


@pytest.mark.parametrize(
    ("failure", "limit"),
    [
        (FailureClass.RESOURCES, RETRY.resources),
        (FailureClass.TRANSIENT, RETRY.transient),
        (FailureClass.UNKNOWN, RETRY.unknown),
    ],
)
def test_the_others_are_tried_again_so_often(failure, limit):
    assert limit > 0
    assert policy.pause_s(failure, limit, RETRY) is not None
    assert policy.pause_s(failure, limit + 1, RETRY) is None
    never = replace(RETRY, **{failure.value: 0})
    assert policy.pause_s(failure, 1, never) is None


def test_pauses_double_up_to_the_longest_and_are_spread():
    retry = replace(RETRY, transient=1000, first_pause_s=300, longest_pause_s=14400)
    for tries, middle in [(1, 300), (2, 600), (3, 1200), (7, 14400), (1000, 14400)]:
        pauses = [policy.pause_s(FailureClass.TRANSIENT, tries, retry) for _ in range(200)]
        assert all(0.75 * middle <= pause <= 1.25 * middle for pause in pauses)
        assert len(set(pauses)) > 100


def test_a_job_waits_for_what_is_away_for_a_moment():
    answers = iter([TransientError("away"), TransientError("away"), "here"])

    def work():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert policy.patiently(work, replace(RETRY, patience_s=60)) == "here"


@pytest.mark.parametrize(
    ("error", "patience_s"),
    [
        (TransientError("away"), 0),
        (StillTakenError("no end"), 60),
        (BadDataError("damaged"), 60),
        (ConfigurationError("refused"), 60),
    ],
)
def test_a_job_fails_at_once_where_waiting_is_of_no_use(error, patience_s):
    calls = []

    def work():
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        policy.patiently(work, replace(RETRY, patience_s=patience_s))
    assert len(calls) == 1
