import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xamsflow.base import process

ME = process.of(os.getpid())


def test_a_process_survives_writing_and_parsing():
    assert process.parse(str(ME)) == ME
    odd = ME._replace(host="a:b")
    assert process.parse(str(odd)) == odd


@pytest.mark.parametrize("text", ["", "somebody", "a:b:c:d"])
def test_text_of_other_tools_is_not_a_process(text):
    assert process.parse(text) is None


def test_the_process_table_decides_for_processes_of_this_host():
    assert process.has_ended(ME) is False
    code = "import os; from xamsflow.base import process; print(process.of(os.getpid()))"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ended = process.parse(other.stdout.strip())
    assert ended is not None
    assert process.has_ended(ended) is True


def test_a_zombie_has_ended():
    child = subprocess.Popen(["sleep", "60"])
    known = process.of(child.pid)
    assert process.has_ended(known) is False
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.has_ended(known) is True
    child.wait()


def test_a_later_process_with_the_same_number_is_another():
    assert process.has_ended(ME._replace(started=ME.started - 1)) is True


@pytest.mark.parametrize("elsewhere", [{"boot": "another"}, {"host": f"{ME.host}-2"}])
def test_nothing_is_known_about_other_boots_and_hosts(elsewhere):
    assert process.has_ended(ME._replace(**elsewhere)) is None


def test_the_parent_of_a_process_with_any_name():
    code = "import os; print(os.getpid()); input()"
    odd = subprocess.Popen(
        ["python) (", "-c", code],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert odd.stdout is not None
    assert process.parent(int(odd.stdout.readline()))[1] == os.getpid()
    odd.communicate("\n")


def test_a_process_of_another_container_may_be_alive():
    """It has the same host and boot, but another table of processes."""
    other = ME._replace(boot=f"{ME.boot.partition('-')[0]}-1", pid=1, started=1)
    assert process.parse(str(other)) == other
    assert process.has_ended(other) is None


def test_children_are_found_until_they_end():
    # A process of its own: this one has servers of other tests as children.
    shell = subprocess.Popen(["sh", "-c", "read go; sleep 60; read go"], stdin=subprocess.PIPE)
    assert shell.stdin is not None
    assert process.has_children(shell.pid) is False
    shell.stdin.write(b"\n")
    shell.stdin.flush()
    while not process.has_children(shell.pid):
        assert shell.poll() is None
    (child,) = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
    assert process.has_children(shell.pid, other_than={int(child)}) is False
    os.kill(int(child), signal.SIGKILL)
    while process.has_children(shell.pid):
        assert shell.poll() is None
    shell.communicate(b"\n")
