"""Drivers that start at the same time, and drivers and jobs that are killed."""

import contextlib
import os
import random
import signal
import subprocess
import time

from servers.sshd import command_line, descendants
from site_for_tests import LONG
from xamsflow.state import receipts


def assert_all_done_once(site, numbers):
    for number in numbers:
        document = site.document(number)
        assert document["processing_status"] == "done", document.get("processing")
        history = document["processing"]["history"]
        assert [entry["to"] for entry in history].count("done") == 1, history
        types = [(entry["type"], entry["host"], entry["location"]) for entry in document["data"]]
        assert len(types) == len(set(types)), types
        run = f"{number:06d}"
        made = receipts.read(site.work / "results" / run / "raw_records_v1730.json")
        assert made["n_items"] > 0
        # One data set of each type, and no leftover that could be mistaken for one.
        stored = sorted(path.name for path in (site.work / "data" / "processed").glob(f"{run}-*"))
        names = [name.rsplit("-", 1)[0] for name in stored]
        assert len(names) == len(set(names)), stored
        assert not list((site.work / "data" / "live_data").glob(f"{run}.incoming"))


def test_two_drivers_started_together_process_each_run_once(site):
    numbers = range(901, 905)
    for number in numbers:
        site.add_run(number, duration=0.6, rate=50)
    drivers = [site.fork(), site.fork()]
    said = [driver.communicate(timeout=300)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    assert_all_done_once(site, numbers)
    for number in numbers:
        processing = site.document(number)["processing"]
        assert processing["attempt"] == 1
        assert [entry["to"] for entry in processing["history"]].count("submitted") == 1
        # Each job was run by one driver only.
        for rule in ("transfer", "process", "publish"):
            assert len(list((site.work / "logs" / rule).glob(f"{number:06d}*.[0-9].log"))) == 1


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_drivers_and_jobs_killed_at_random_points(site):
    numbers = []
    for seed in range(8):
        print(f"seed {seed}")
        choose = random.Random(seed)
        unfinished = [number for number in numbers if site.status(number) != "done"]
        for _ in range(3 - len(unfinished)):
            numbers.append(901 + len(numbers))
            site.add_run(numbers[-1], duration=0.6, rate=50)
        with (site.folder / "said").open("a") as said:
            driver = site.start(stdout=said)
        time.sleep(choose.uniform(0.5, 6.0))
        below = descendants(driver.pid)[1:]
        match choose.choice(["driver", "job", "all"]):
            case "driver":
                kill(driver.pid)
            case "job" if below:
                kill(choose.choice(below))
                time.sleep(choose.uniform(0.0, 3.0))
                kill(driver.pid)
            case _:
                for pid in [driver.pid, *below]:
                    kill(pid)
        driver.wait(60)
        pend_failed(site, numbers)  # a job was killed; a person asks again
    last = site.snakemake()
    if pend_failed(site, numbers):
        last = site.snakemake()
    assert last.returncode == 0, last.stdout
    assert_all_done_once(site, numbers)


def pend_failed(site, numbers):
    failed = [str(number) for number in numbers if site.status(number) == "failed"]
    if failed:
        assert site.verb("pend", "--yes", *failed).returncode == 0
    return failed


def test_a_stopped_driver_gives_its_runs_back(site):
    numbers = range(901, 905)
    for run in numbers:
        site.add_run(run, duration=0.6, rate=50)
    for number in (signal.SIGINT, signal.SIGTERM):
        stop_while_a_run_is_processed(site, number)
        statuses = {site.status(run) for run in numbers}
        assert statuses <= {"pending", "done"}
        assert "pending" in statuses
        assert not list(site.work.glob("results/*/claim.json"))
    assert site.snakemake().returncode == 0
    assert_all_done_once(site, numbers)
    for run in numbers:
        assert site.document(run).get("processing_failed", 0) == 0


def stop_while_a_run_is_processed(site, number):
    log = site.folder / f"said-{number}"
    with log.open("a") as said:
        driver = site.start(stdout=said)
    wait_for(
        lambda: any(document["processing_status"] == "running" for document in site.all_documents())
    )
    # As from a terminal: to the driver and its children; only the driver gets SIGTERM.
    send = os.killpg if number == signal.SIGINT else os.kill
    send(driver.pid, number)
    while driver.poll() is None:
        if number == signal.SIGTERM:  # more of it, whatever the driver is doing, is harmless
            os.kill(driver.pid, number)
        time.sleep(0.01)
    assert driver.returncode != 0
    assert " released" in log.read_text(), log.read_text()


def test_a_job_killed_without_a_message_fails_its_run_at_once(site):
    site.add_run(901, **LONG)
    site.add_run(902, **LONG)
    driver = site.start("--cores", "1", stdout=subprocess.DEVNULL)
    first = wait_for(
        lambda: next(
            (
                document["number"]
                for document in site.all_documents()
                if document.get("processing", {}).get("stage") == "process"
            ),
            None,
        )
    )
    other = 901 if first == 902 else 902
    job = next(pid for pid in descendants(driver.pid)[1:] if b"/process.py\0" in command_line(pid))
    # Meanwhile, the other run cannot be finished.
    with site.busy(other):
        kill(job)
        wait_for(lambda: site.status(first) == "failed")
        assert site.status(other) != "done"
    driver.wait(60)
    assert driver.returncode != 0
    processing = site.document(first)["processing"]
    assert "killed" in processing["reason"]
    assert (processing["failure"], processing["stage"]) == ("unknown", "process")
    assert site.status(other) == "done"


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not (fulfilled := condition()):
        assert time.monotonic() < deadline, "it did not happen within two minutes"
        time.sleep(0.05)
    return fulfilled


def test_a_driver_that_stops_early_leaves_done_runs_done(site):
    site.add_run(901, duration=0.6, rate=50)
    assert site.snakemake().returncode == 0
    published = (site.work / "results/000901/rundoc.json").read_bytes()
    asked = site.snakemake("results/000901/rundoc.json", "results/000999/rundoc.json")
    assert asked.returncode != 0
    assert site.status(901) == "done"
    assert (site.work / "results/000901/rundoc.json").read_bytes() == published


def test_a_run_that_somebody_else_took_is_not_called_done(site):
    site.add_run(901, **LONG)
    driver = site.fork()
    wait_for(lambda: site.document(901).get("processing", {}).get("stage") == "process")
    # As if another driver had taken the run over.
    site.collection.update_one({"number": 901}, {"$set": {"processing.owner": "other:1:1:x"}})
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode != 0
    assert "1 done" not in said
    assert site.status(901) in ("running", "submitted")
