import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xamsflow.base.exec_with_parent import with_parent

PARENT = """
import subprocess, sys
from xamsflow.base.exec_with_parent import with_parent
command = with_parent(["sh", "-c", "echo ready; exec sleep 60"])
child = subprocess.Popen(command, stdout=sys.stdout)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_ends_with_the_process_that_started_it(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        lines = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        child = int((lines - {"ready"}).pop())
        parent.send_signal(ending)
        parent.stdout.read()  # ends when the last of both has ended
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()


def test_a_command_that_cannot_run_gives_the_reason_in_one_line(tmp_path: Path) -> None:
    command = with_parent([str(tmp_path / "nothing here")])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "No such file or directory\n")


def test_the_exit_code_of_the_command_is_passed_on() -> None:
    assert subprocess.run(with_parent(["sh", "-c", "exit 7"]), check=False).returncode == 7
    assert subprocess.run(with_parent(["sh", "-c", "kill -9 $$"]), check=False).returncode == -9
