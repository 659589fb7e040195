import pytest

from xamsflow.operate import actions
from xamsflow.operate.actions import PEND, RETRY


def pending(**mark):
    campaign = {"campaign": {"name": "gains", **mark}} if mark else {}
    processing = {"reprocess": True, **campaign}
    return {"number": 932, "processing_status": "pending", "processing": processing}


@pytest.mark.parametrize("mark", [{"was": {}}, {"paused": True}])
def test_a_person_may_request_a_run_that_waits_in_a_campaign(mark, tmp_path):
    run = pending(**mark)
    reprocess = actions.reprocess(tmp_path)
    for outlook in (PEND.judge(run, True), reprocess.judge(run, False)):
        assert outlook.changes
        assert "no longer for the campaign gains" in outlook.effect
    for outlook in (PEND.judge(run, False), RETRY.judge(run, False)):
        assert not outlook.changes
        assert "campaign gains; `xamsflow pend --force`" in outlook.effect


@pytest.mark.parametrize("mark", [{}, {"left": True}])
def test_a_run_that_a_person_requested_is_not_requested_twice(mark, tmp_path):
    run = pending(**mark)
    reprocess = actions.reprocess(tmp_path)
    for outlook in (*(PEND.judge(run, force) for force in (False, True)), RETRY.judge(run, False)):
        assert (outlook.changes, outlook.effect) == (False, "is already pending")
    assert not reprocess.judge(run, False).changes
