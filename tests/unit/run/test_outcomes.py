import pytest

from xamsflow.run.claimed_runs import ClaimedRuns
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
