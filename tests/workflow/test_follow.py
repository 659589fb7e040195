"""Runs that are followed while they are being taken, through the real workflow."""

import json
import signal

import pytest

from batch_workflow import wait_until
from daq_for_tests import Daq
from site_for_tests import Site

PATIENCE_S = 120


@pytest.fixture
def take(site):
    """Return a function that makes the DAQ take a run; it stops at the end of the test."""
    site.configure(select={"follow": True}, follow={"interval_s": 0.3})
    runs: list[Daq] = []

    def begin(number: int, status: str | None = "pending", **settings) -> Daq:
        runs.append(Daq(site, number, status=status, **settings))
        return runs[-1]

    yield begin
    for one in runs:
        one.crash()


def read(site: Site, run: str, name: str):
    return json.loads((site.work / "results" / run / f"{name}.json").read_text())


def test_a_followed_run_is_done_soon_after_its_end(site, take):
    take(932)
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    document = site.document(932)
    assert document["processing_status"] == "done"
    history = document["processing"]["history"]
    assert [entry["to"] for entry in history if entry["to"] != "running"][:2] == [
        "submitted",
        "done",
    ]
    stages = [entry.get("stage") for entry in history if entry["to"] == "running"]
    assert stages == ["follow", "transfer", "process", "publish"]

    followed = read(site, "000932", "follow")
    assert followed["processed"], followed["reason"]
    receipt = read(site, "000932", "raw_records_v1730")
    assert receipt["already_stored"]
    assert receipt["quality"]["verdict"] == "clean"
    assert read(site, "000932", "transfer")["copied_bytes"] == 0

    # What showed it while it was being taken is gone.
    assert not list((site.work / "results" / "live").glob("*"))
    assert "Traceback" not in (site.work / "logs" / "live" / "000932.log").read_text()

    again = site.snakemake("results/000932/rundoc.json")
    assert again.returncode == 0, again.stdout
    assert "follow during data taking" not in again.stdout


def test_without_the_setting_it_is_left_alone(site, take):
    site.configure(select={"follow": False})
    take(932).crash()  # so that it never ends
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(932) == "pending"
    why = site.verb("why", "932").stdout
    assert "it is still being taken" in why
    site.configure(select={"follow": True})
    preview = site.snakemake("-n")
    assert preview.returncode == 0, preview.stdout
    assert "follow during data taking" in preview.stdout


def test_a_crashed_daq_leaves_it_pending(site, take):
    site.configure(select={"follow": True}, follow={"interval_s": 0.2, "patience_s": 2})
    daq = take(932, duration=20.0)
    site.add_run(931)
    process = site.fork()
    wait_until(daq.is_followed, "the run is followed", PATIENCE_S)
    daq.crash()
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert "000932 has no end, and nothing was written for 2 s" in said
    assert "Traceback" not in said
    assert site.status(932) == "pending"
    assert not site.document(932).get("processing_failed")
    assert site.status(931) == "done"

    # A person fixes it, and it is processed like any other run.
    for _ in daq.live_run:
        pass
    ended = {"end": daq.live_run.document["end"]}
    site.collection.update_one({"number": 932}, {"$set": ended})
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(932) == "done"
    assert not (site.work / "results" / "000932" / "follow.json").exists()


def test_a_killed_driver_is_followed_by_another(site, take):
    daq = take(932)
    process = site.start()
    wait_until(daq.is_followed, "the run is followed", PATIENCE_S)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    document = site.document(932)
    assert document["processing_status"] == "done"
    assert [entry["to"] for entry in document["processing"]["history"]].count("done") == 1


def test_ctrl_c_gives_it_back(site, take):
    daq = take(932)
    process = site.start()
    wait_until(daq.is_followed, "the run is followed", PATIENCE_S)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert site.status(932) == "pending"
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(932) == "done"


def test_watch_takes_runs_as_they_begin(site, take):
    site.configure(select={"follow": True}, follow={"interval_s": 0.3}, watch={"interval_s": 0.5})
    daq = take(932, status=None)
    watch = site.verb("watch", "--profile", "local", "--once")
    assert watch.returncode == 0, watch.stdout + watch.stderr
    assert "000932 has started: pending" in watch.stdout
    assert site.status(932) == "done"
    assert read(site, "000932", "follow")["processed"]
    daq.thread.join()
