import platform
import subprocess
import sys

import pytest

from xamsflow.state import owner


def test_this_process_is_alive():
    assert not owner.is_dead(str(owner.current()), None)


def test_an_owner_is_read_as_it_was_written():
    assert owner.parse(str(owner.current())) == owner.current()


def test_a_process_that_ended_is_dead():
    process = subprocess.run(
        [sys.executable, "-c", "from xamsflow.state import owner; print(owner.current())"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert owner.is_dead(process.stdout.strip(), 1.0)


def test_a_later_process_with_the_same_number_is_another():
    me = owner.current()
    assert owner.is_dead(str(owner.Owner(me.host, me.pid, me.started - 1, me.boot)), 0.0)


def test_after_a_reboot_or_of_a_namesake_only_the_heartbeat_counts():
    me = owner.current()
    other = str(owner.Owner(me.host, me.pid, me.started, "another"))
    assert not owner.is_dead(other, 0.0)
    assert owner.is_dead(other, owner.LEASE_S + 1)


@pytest.mark.parametrize(
    ("age", "dead"), [(0.0, False), (owner.LEASE_S, False), (owner.LEASE_S + 1, True), (None, True)]
)
def test_of_another_host_only_the_heartbeat_is_known(age, dead):
    far = owner.Owner(platform.node() + "-2", 1, 1, "x")
    assert owner.is_dead(str(far), age) is dead


@pytest.mark.parametrize("text", ["", "somebody", "a:b:c:d"])
def test_owners_of_other_tools(text):
    assert owner.parse(text) is None
    assert owner.is_dead(text, 0.0) is False
