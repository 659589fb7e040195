"""What PYTHONPATH brings replaces no package of this environment."""

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
