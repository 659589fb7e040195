"""What `snakemake` does for each of its runs."""

import subprocess
import sys

import pytest

from site_for_tests import PROFILE
from xamsflow.state import layout

COUNT = """
import inspect, sys
count = 0
signature = inspect.signature
def counted(*args, **kwargs):
    global count
    count += 1
    return signature(*args, **kwargs)
inspect.signature = counted
from snakemake.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, count)
"""


@pytest.fixture
def looks(tmp_path):
    """Return a function that counts how often Snakemake inspects functions for so many runs."""

    def count(runs: int) -> int:
        done = subprocess.run(
            [
                *(sys.executable, "-c", COUNT, "--snakefile", str(layout.SNAKEFILE)),
                *("--profile", str(PROFILE), "--directory", str(tmp_path), "-n"),
                *(f"results/{901 + i:06d}/raw_records_v1730.json" for i in range(runs)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        code, looked = done.stdout.splitlines()[-1].split()
        assert code == "0"
        return int(looked)

    return count


def test_snakemake_looks_at_a_function_once_not_once_per_run(looks):
    assert looks(10) == looks(2)
