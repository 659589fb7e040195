"""The demo as a new user sees it, up to raw records to save time."""

import json
import os
import signal
import subprocess
import time

import yaml

import page_of_runs
from site_for_tests import XAMSFLOW

PATIENCE_S = 200


def test_the_demo_can_be_kept_to_try_the_verbs(tmp_path):
    folder, settings, said = tmp_path / "demo", tmp_path / "fast.yaml", tmp_path / "said"
    settings.write_text(yaml.safe_dump({"targets": ["raw_records_v1730"]}))
    command = [str(XAMSFLOW), "demo", "--stay", "--directory", str(folder)]
    with said.open("w") as output:
        demo = subprocess.Popen(
            [*command, "--configfile", str(settings)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C ends the demo" not in said.read_text():
            assert demo.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        (tried,) = [line for line in said.read_text().splitlines() if line.startswith("Try, in")]
        words = tried.partition(": xamsflow ")[2].split()
        asked = [str(XAMSFLOW), *words, "--json"]
        status = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert status.returncode == 0, status.stderr
        runs = {run["run"]: run["status"] for run in json.loads(status.stdout)["runs"]}
        assert {"002241", "002242", "002243"} <= set(runs)
        assert set(runs.values()) == {"done"}
        on_page = page_of_runs.runs(folder / "results" / "index.html")
        assert on_page[2243]["picture"] == 1
        assert (folder / "results" / "002243" / "overview.png").is_file()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0, said.read_text()
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()
    gone = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "does not respond" in gone.stderr
