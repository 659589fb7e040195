"""Errors take one line, also in the run document; other runs go on."""

import subprocess

import pytest


def lines_of_ours(said):
    return [line for line in said.splitlines() if line.startswith("xamsflow: ")]


def assert_one_line(process, *words):
    assert process.returncode != 0
    ours = "\n".join(lines_of_ours(process.stdout + process.stderr))
    for word in words:
        assert word in ours, process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr


def test_a_missing_run_folder_fails_that_run_only(site):
    site.add_run(931)
    site.add_run(932, on_disk=False)
    done = site.snakemake()
    assert_one_line(done, "000932", str(site.daq))
    assert site.status(931) == "done"
    document = site.document(932)
    assert document["processing_status"] == "failed"
    assert document["processing_failed"] == 1
    assert "000932" in document["processing"]["reason"]
    assert document["processing"]["stage"] == "transfer"
    log = site.work / "logs" / "transfer" / "000932.1.log"
    assert document["processing"]["log"] == str(log)
    # It stays failed until somebody requests it again; then it is enough to have fixed the cause.
    assert site.snakemake().returncode == 0
    assert site.status(932) == "failed"
    (site.folder / "not-there-000932").rename(site.daq / "000932")
    site.xamsflow("pend", "--yes", "932")
    assert site.snakemake().returncode == 0
    assert site.status(932) == "done"
    assert site.document(932)["processing_failed"] == 1
    # The log of the failed attempt is kept.
    assert "failed" in log.read_text() or "ERROR" in log.read_text()
    assert log.with_name("000932.log").resolve().name == "000932.2.log"


def test_an_unknown_run(site):
    assert_one_line(site.snakemake("results/000932/rundoc.json"), "000932", "runs_new")
    assert_one_line(site.snakemake("results/000932/raw_records_v1730.json"), "000932")


def test_a_document_without_daq_config(site):
    site.add_run(932)
    site.collection.update_one({"number": 932}, {"$unset": {"daq_config": ""}})
    assert_one_line(site.snakemake(), "daq_config")
    assert site.status(932) == "failed"
    assert site.document(932)["processing"]["failure"] == "bad_data"


def test_an_unknown_data_type(site):
    """Nothing runs: neither the run nor its document has to be there."""
    said = site.snakemake("-n", "results/000932/peeks.json")
    assert_one_line(said, "there is no data type 'peeks' (did you mean peaks?)")
    said = site.snakemake("-n", "results/932/rundoc.json")
    assert_one_line(said, "'932' is not a run: give the number with six digits, as in 000932")


def test_damaged_live_data_keep_what_came_before(site):
    site.add_run(932)
    file = next((site.daq / "000932" / "000001").iterdir())
    file.write_bytes(file.read_bytes()[:-5])
    assert_one_line(site.snakemake(), file.name)
    document = site.document(932)
    assert document["processing_status"] == "failed"
    assert document["processing"]["failure"] == "bad_data"
    # The live data have arrived, and are registered.
    assert [entry["type"] for entry in document["data"]] == ["live", "live"]


def test_an_unreachable_run_database(site):
    site.configure(rundb={"uri": "mongodb://127.0.0.1:1"})
    assert_one_line(site.snakemake(), "127.0.0.1:1")
    assert_one_line(site.snakemake("-n"), "127.0.0.1:1")
    assert_one_line(site.xamsflow("status"), "127.0.0.1:1")


def test_an_unreachable_daq_host(site):
    site.add_run(932)
    site.configure(daq={"host": "127.0.0.1", "port": 1, "known_hosts": str(site.configfile)})
    assert_one_line(site.snakemake(), "127.0.0.1")
    assert site.status(932) == "failed"
    assert site.document(932)["processing"]["failure"] == "transient"


def test_an_unwritable_folder(site):
    site.add_run(932)
    (site.folder / "file").touch()
    site.configure(storage={"processed": str(site.folder / "file" / "processed")})
    assert_one_line(site.snakemake(), str(site.folder / "file"))
    assert site.status(932) == "failed"
    assert site.document(932)["processing"]["failure"] == "configuration"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"detectr": "xams"}, "unknown key detectr"),
        ({"daq": {"port": "22"}}, "daq.port"),
    ],
)
def test_a_wrong_configuration(site, settings, words):
    site.configure(**settings)
    assert_one_line(site.snakemake("-n"), words)
    assert_one_line(site.xamsflow("status"), words)


def test_an_unknown_target_stops_before_any_run_is_touched(site):
    site.add_run(932)
    site.configure(targets=["event_bascis"])
    for arguments in (["-n"], []):
        assert_one_line(site.snakemake(*arguments), "event_bascis", "event_basics")
    assert site.status(932) == "pending"


def test_an_unknown_detector(site):
    site.configure(detector="xenonnt")
    assert_one_line(site.snakemake("-n"), "xams, xams_2021, xamsl")


def test_a_full_disk(site):
    site.add_run(932, duration=6, rate=400)
    processed = site.folder / "small"
    processed.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(processed)], check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small file system")
    try:
        site.configure(storage={"processed": str(processed)})
        assert_one_line(site.snakemake(), "no space left")
        assert site.status(932) == "failed"
        assert site.document(932)["processing"]["failure"] == "resources"
    finally:
        subprocess.run(["umount", str(processed)], check=True)


def test_a_target_that_no_detector_has_is_refused_before_a_run_is_touched(make_site):
    both = ["raw_records_v1730", "peeks"]
    site = make_site(targets_by_mode=[{"modes": ["*"], "targets": both}])
    site.add_run(932)
    before = site.all_documents()
    assert_one_line(site.snakemake("--cores", "1"), "peeks")
    assert site.all_documents() == before


def test_a_run_whose_document_accepts_no_data_still_fails(site):
    site.add_run(932)
    site.collection.update_one({"number": 932}, {"$set": {"data": "lost"}})
    assert_one_line(site.snakemake(), "000932")
    assert site.status(932) == "failed"
    assert site.snakemake("-n").returncode == 0


def test_a_lost_overlap_whose_copy_exists_is_reported_and_costs_nothing(site):
    site.add_run(932)
    overlap = site.daq / "000932" / "000001_pre"
    for file in overlap.iterdir():
        file.unlink()
    overlap.rmdir()
    assert site.snakemake().returncode == 0
    document = site.document(932)
    assert document["processing_status"] == "done"
    assert document["processing"]["quality"]["verdict"] == "degraded"
    (finding,) = document["processing"]["quality"]["findings"]
    assert finding["rule"] == "T7"
    assert not finding.get("lost_records")
    assert "000001_pre" in finding["message"]
    said = site.xamsflow("show", "932").stdout
    assert "degraded" in said
    assert "000001_pre" in said
