"""A run database that is away: outcomes are kept, and published later, once."""

import shutil

import bson
import pytest

from servers.mongod import restartable
from site_for_tests import Site
from workflow.test_bad_input import assert_one_line
from workflow.test_drivers import wait_for
from xamsflow.state import layout


@pytest.fixture
def outage(tmp_path):
    """A site with its own run database, which can be stopped."""
    with restartable(tmp_path / "mongod") as mongod:
        uri = f"{mongod.server.uri}/?serverSelectionTimeoutMS=2000"
        yield Site(tmp_path / "site", uri, "outage"), mongod


def outcomes(site, number):
    return [
        entry["to"]
        for entry in site.document(number)["processing"]["history"]
        if entry["to"] in ("done", "failed")
    ]


def start_and_stop(site, mongod, *numbers):
    """Start a driver, and stop the run database before the first run is processed."""
    transfers = [layout.TRANSFER_RECEIPT.format(run_id=layout.run_id(one)) for one in numbers]
    transferred = site.snakemake(*map(str, transfers))
    assert transferred.returncode == 0, transferred.stdout
    with site.busy(*numbers):
        driver = site.fork()
        wait_for(lambda: list(site.work.glob("logs/process/*.log")))
        mongod.stop()
    return driver


def stop_during_processing(site, mongod, *numbers):
    driver = start_and_stop(site, mongod, *numbers)
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 1, said
    assert "Traceback" not in said
    mongod.start()
    return said


def test_a_done_run_is_published_by_the_next_driver_and_nothing_is_made_again(outage):
    site, mongod = outage
    site.add_run(931)
    said = stop_during_processing(site, mongod, 931)
    assert "kept in journal" in said
    jobs = sorted(path.name for path in site.work.glob("logs/*/*.[0-9].log"))
    assert site.status(931) == "submitted"
    assert "000931" not in site.snakemake("-n").stdout

    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(931) == "done"
    assert outcomes(site, 931) == ["done"]
    assert site.document(931)["processing"]["attempt"] == 1
    assert sorted(path.name for path in site.work.glob("logs/*/*.[0-9].log")) == jobs
    assert (site.work / "results/000931/rundoc.json").exists()
    assert not list(site.work.glob("journal/*"))
    types = [entry["type"] for entry in site.document(931)["data"]]
    assert types.count("live") == 2
    assert "raw_records_v1730" in types


def test_a_failed_run_is_published_by_the_next_driver(outage):
    site, mongod = outage
    site.add_run(931)
    site.add_run(932)
    file = next((site.daq / "000931" / "000001").iterdir())
    file.write_bytes(file.read_bytes()[:-5])
    stop_during_processing(site, mongod, 931, 932)
    assert len(list(site.work.glob("journal/*.json"))) == 2
    shutil.copytree(site.work / "journal", site.folder / "copy")

    # As long as there is no room for the outcome in the document, each start says so.
    room = 2**24 - len(bson.encode(site.document(931)))
    site.collection.update_one({"number": 931}, {"$set": {"filler": "x" * (room - 100)}})
    full = site.snakemake()
    assert full.returncode == 1, full.stdout
    assert "would be larger than MongoDB's 16 MB" in full.stdout
    assert (outcomes(site, 931), outcomes(site, 932)) == ([], ["done"])
    site.collection.update_one({"number": 931}, {"$unset": {"filler": ""}})

    assert site.verb("pend", "--yes", "--force", "932").returncode == 0
    assert outcomes(site, 931) == ["failed"]
    assert outcomes(site, 932) == ["done"]
    assert site.status(932) == "pending", "asked for again"
    processing = site.document(931)["processing"]
    assert (processing["failure"], processing["stage"]) == ("bad_data", "process")
    assert site.document(931)["processing_failed"] == 1

    # Publishing it again, as after a crash just before the entry is removed, changes nothing.
    shutil.copytree(site.folder / "copy", site.work / "journal", dirs_exist_ok=True)
    assert site.snakemake().returncode == 0
    assert outcomes(site, 931) == ["failed"]
    assert site.document(931)["processing_failed"] == 1
    assert outcomes(site, 932) == ["done", "done"]


def test_an_outage_of_seconds_is_waited_for(outage):
    site, mongod = outage
    site.configure(retry={"patience_s": 60})
    site.add_run(931)
    driver = start_and_stop(site, mongod, 931)
    wait_for(lambda: "trying again" in log_of(site, "publish"))
    mongod.start()
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, said
    assert site.status(931) == "done"


def log_of(site, rule):
    return "".join(path.read_text() for path in site.work.glob(f"logs/{rule}/*.1.log"))


def test_an_unwritable_logs_folder_stops_before_any_run_is_touched(site):
    site.add_run(931)
    (site.work / "logs").touch()
    assert_one_line(site.snakemake(), "logs")
    assert site.status(931) == "pending"
    assert "processing" not in site.document(931)


def test_a_torn_receipt_is_made_again(make_site):
    site = make_site(retry={"first_pause_s": 0})
    site.add_run(931)
    assert site.snakemake("results/000931/transfer.json").returncode == 0
    (site.work / "results/000931/transfer.json").write_text('{"run_id": "000931"}')
    assert_one_line(site.snakemake(), "transfer.json", "set aside")
    assert site.document(931)["processing"]["failure"] == "transient"
    assert site.snakemake().returncode == 0
    assert site.status(931) == "done"


def test_a_touch_does_nothing_to_runs(site):
    site.add_run(931)
    assert site.snakemake().returncode == 0
    touched = site.snakemake("--touch", "results/000931/rundoc.json")
    assert "1 done" not in touched.stdout
