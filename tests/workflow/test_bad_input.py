"""Errors take one line, also in the run document; other runs go on."""

import shutil
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


def test_bad_runs_fail_for_their_own_reason_and_hold_up_no_other(make_site):
    site = make_site(retry={"first_pause_s": 0})  # so what is retried is retried at once
    for number in range(931, 937):
        site.add_run(number, on_disk=number != 932)
    site.collection.update_one({"number": 933}, {"$unset": {"daq_config": ""}})
    truncated = next((site.daq / "000934" / "000001").iterdir())
    truncated.write_bytes(truncated.read_bytes()[:-5])
    site.collection.update_one({"number": 935}, {"$set": {"data": "lost"}})
    shutil.rmtree(site.daq / "000936" / "000001_pre")  # 000000_post is the same data
    done = site.snakemake()
    assert_one_line(done, "000932", str(site.daq), "daq_config", truncated.name, "000935")
    assert {number: site.status(number) for number in range(931, 937)} == {
        **dict.fromkeys((931, 936), "done"),
        **dict.fromkeys((932, 933, 934, 935), "failed"),
    }
    failed = {number: site.document(number)["processing"] for number in (932, 933, 934)}
    assert "000932" in failed[932]["reason"]
    assert failed[932]["stage"] == "transfer"
    assert {failed[number]["failure"] for number in (933, 934)} == {"bad_data"}
    # The live data of the damaged run have arrived, and are registered.
    assert [entry["type"] for entry in site.document(934)["data"]] == ["live", "live"]
    # A lost overlap whose copy exists is reported, and costs nothing.
    quality = site.document(936)["processing"]["quality"]
    assert quality["verdict"] == "degraded"
    (finding,) = quality["findings"]
    assert finding["rule"] == "T7"
    assert not finding.get("lost_records")
    assert "000001_pre" in finding["message"]
    said = site.verb("show", "936").stdout
    assert "degraded" in said
    assert "000001_pre" in said

    # Bad data are not retried until somebody requests the run; then it is enough to have fixed the
    # cause.
    assert "not retried automatically" in done.stdout
    log = site.work / "logs" / "transfer" / "000932.1.log"
    assert failed[932]["log"] == str(log)
    assert site.snakemake("-n").returncode == 0
    (site.folder / "not-there-000932").rename(site.daq / "000932")
    site.verb("pend", "--yes", "932")
    assert site.snakemake().returncode == 0
    assert {number: site.status(number) for number in (932, 933, 934, 935)} == {
        932: "done",
        **dict.fromkeys((933, 934, 935), "failed"),
    }
    for number in (932, 933, 934):
        assert site.document(number)["processing_failed"] == 1
        assert "retry_at" not in site.document(number)["processing"]
    # The log of the failed attempt is kept.
    assert "failed" in log.read_text() or "ERROR" in log.read_text()
    assert log.with_name("000932.log").resolve().name == "000932.2.log"


def test_an_unknown_run(site):
    assert_one_line(site.snakemake("results/000932/rundoc.json"), "000932", "runs_new")
    assert_one_line(site.snakemake("results/000932/raw_records_v1730.json"), "000932")


def test_an_unknown_data_type(site):
    """Nothing runs: neither the run nor its document has to be there."""
    said = site.snakemake("-n", "results/000932/peeks.json")
    assert_one_line(said, "there is no data type 'peeks' (did you mean peaks?)")
    said = site.snakemake("-n", "results/932/rundoc.json")
    assert_one_line(said, "'932' is not a run: give the number with six digits, as in 000932")


def test_an_unreachable_run_database(site):
    site.configure(rundb={"uri": "mongodb://127.0.0.1:1"})
    assert_one_line(site.snakemake(), "127.0.0.1:1")
    assert_one_line(site.snakemake("-n"), "127.0.0.1:1")
    assert_one_line(site.verb("status"), "127.0.0.1:1")


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
    assert_one_line(site.verb("status"), words)


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
