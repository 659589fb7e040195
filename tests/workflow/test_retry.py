"""What the driver does automatically with runs that failed before."""

from datetime import timedelta

from workflow.test_bad_input import assert_one_line


def let_time_pass(site, number):
    """Bring forward the time at which a run is retried."""
    site.collection.update_one(
        {"number": number}, [{"$set": {"processing.retry_at": {"$subtract": ["$$NOW", 1]}}}]
    )


def put_daq_away(site):
    site.daq.rename(site.folder / "daq-away")


def bring_daq_back(site):
    (site.folder / "daq-away").rename(site.daq)


def test_a_run_whose_disk_was_away_is_retried_when_it_is_due(site):
    site.add_run(931)
    put_daq_away(site)
    assert_one_line(
        site.snakemake(), "000931", "is missing", "retried by the next `snakemake` run after 20"
    )
    failed = site.document(931)["processing"]
    assert (failed["failure"], failed["tries"]) == ("transient", 1)
    assert failed["tries_by_class"] == {"transient": 1}
    pause = failed["retry_at"] - failed["time"]
    assert timedelta(seconds=200) < pause < timedelta(seconds=400)
    last = failed["history"][-1]
    assert (last["failure"], last["attempt"], last["tries"]) == ("transient", 1, 1)
    assert last["log"].endswith("000931.1.log")

    bring_daq_back(site)
    assert site.snakemake().returncode == 0
    assert site.status(931) == "failed", "its time has not come"
    assert "000931" not in site.snakemake("-n").stdout

    let_time_pass(site, 931)
    assert "000931" in site.snakemake("-n").stdout
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    processing = site.document(931)["processing"]
    assert site.status(931) == "done"
    assert processing["attempt"] == 2
    assert not {"tries", "tries_by_class", "retry_at", "reason"} & set(processing)
    assert site.document(931)["processing_failed"] == 1


def test_tries_are_counted_until_a_person_requests_the_run(make_site):
    site = make_site(retry={"first_pause_s": 0, "transient": 1})
    site.add_run(931)
    put_daq_away(site)
    for tries in (1, 2):
        assert site.snakemake().returncode != 0
        assert site.document(931)["processing"]["tries"] == tries
    assert "retry_at" not in site.document(931)["processing"]
    # The limit is reached: the driver has nothing to do until somebody requests the run.
    assert site.snakemake().returncode == 0
    assert site.document(931)["processing_failed"] == 2
    assert site.verb("pend", "--yes", "931").returncode == 0
    assert "tries" not in site.document(931)["processing"]
    assert site.snakemake().returncode != 0
    assert site.document(931)["processing"]["tries"] == 1
    # Also without this project's commands.
    site.collection.update_one({"number": 931}, {"$set": {"processing_status": "pending"}})
    assert site.snakemake().returncode != 0
    assert site.document(931)["processing"]["tries"] == 1
    assert site.document(931)["processing_failed"] == 4
