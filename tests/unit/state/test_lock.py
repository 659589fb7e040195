import subprocess
import sys

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import lock

HOLD = """
import sys, pathlib
from xamsflow.state import lock
with lock.exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_second_waits_for_the_first(tmp_path):
    first = hold(tmp_path / "lock")
    assert first.stdout.readline() == "held\n"
    second = hold(tmp_path / "lock")
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    first.communicate()
    assert second.stdout.readline() == "held\n"
    second.communicate()


def test_a_killed_holder_leaves_nothing(tmp_path):
    first = hold(tmp_path / "lock")
    assert first.stdout.readline() == "held\n"
    first.kill()
    first.communicate()
    with lock.exclusive(tmp_path / "lock"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match="cannot write"),
        lock.exclusive(tmp_path / "file" / "lock"),
    ):
        pass
