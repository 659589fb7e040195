"""Whatever starts a program: PYTHONPATH replaces no package, and its streams are open."""

import os
import subprocess
import sys

import pytest

CODE = """
from xamsflow import cli
cli.main(["unknown-verb"])
import numpy, other, yaml
print(other.ME)
"""


@pytest.mark.parametrize("shadowed", ["yaml", "numpy"])
def test_pythonpath_replaces_nothing_but_still_adds(tmp_path, shadowed):
    (tmp_path / f"{shadowed}.py").write_text("raise RuntimeError('the wrong one')")
    (tmp_path / "other.py").write_text("ME = 'found too'")
    answer = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "found too\n", answer.stderr


WITHOUT_STREAMS = """
from xamsflow.base import starting
starting.begin()
import sys
with open(sys.argv[1], "w") as file:
    print("to nobody", flush=True)
    print("to nobody", file=sys.stderr, flush=True)
    file.write(f"{file.fileno()} {sys.stdin.read()!r}")
"""


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "1>&-", "2>&-"])
def test_closed_standard_streams_harm_nothing(tmp_path, closed):
    file = tmp_path / "file"
    command = f'exec "$0" -c "$1" "$2" {closed}'
    subprocess.run(
        ["sh", "-c", command, sys.executable, WITHOUT_STREAMS, file],
        stdin=subprocess.DEVNULL,
        check=True,
    )
    descriptor, read = file.read_text().split()
    assert (int(descriptor) > 2, read) == (True, "''")
