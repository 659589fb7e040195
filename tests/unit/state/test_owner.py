import pytest

from xamsflow.base import process
from xamsflow.state import owner

ME = owner.current()


def test_this_process_is_alive():
    assert not owner.is_dead(str(ME), None)


def test_an_ended_process_is_dead_regardless_of_its_heartbeat():
    assert owner.is_dead(str(ME._replace(started=ME.started - 1)), 0.0)


@pytest.mark.parametrize(
    ("age", "dead"), [(0.0, False), (owner.LEASE_S, False), (owner.LEASE_S + 1, True), (None, True)]
)
@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"host": f"{process.host()}-2"}])
def test_after_a_reboot_or_on_another_host_only_the_heartbeat_counts(elsewhere, age, dead):
    assert owner.is_dead(str(ME._replace(**elsewhere)), age) is dead


@pytest.mark.parametrize("text", ["", "somebody", "a:b:c:d"])
def test_the_owner_that_another_tool_wrote_is_judged_by_its_heartbeat(text):
    assert owner.is_dead(text, 0.0) is False
