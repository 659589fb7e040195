"""A hung driver ends; one with a job does not."""

import signal
import subprocess
import sys

import pytest

HANGS = """
import logging, subprocess, sys, threading
from xamsflow.run.heartbeat import beating
from xamsflow.run.watchdog import Watchdog

if sys.argv[1] == "with a job":
    subprocess.Popen(["sleep", "1"])
watchdog, lock = Watchdog(stuck_s=0.2), threading.Lock()
with beating(watchdog.check, period_s=0.05), lock:
    lock.acquire(timeout=0.8)
"""


@pytest.mark.parametrize(("job", "code"), [("none", -signal.SIGKILL), ("with a job", 0)])
def test_a_driver_without_job_and_progress_ends(job, code, tmp_path):
    hung = subprocess.run(
        [sys.executable, "-c", HANGS, job],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert hung.returncode == code, hung.stderr
    assert ("this driver is stuck" in hung.stderr) == (code != 0)
