"""What show and log say about runs that went through the real workflow."""

import json
import os
import re
import secrets
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from site_for_tests import XAMSFLOW, Site
from xamsflow.cli import VERBS
from xamsflow.state import layout

pytestmark = pytest.mark.xdist_group("answers")  # its tests share costly fixtures


@pytest.fixture(scope="module")
def site(tmp_path_factory, mongod):
    """A site with a run that is done, one that failed, and one that nobody requested."""
    folder = tmp_path_factory.mktemp("answers")
    told = f"cat >> {folder}/told"
    settings = {"notify": {"command": ["sh", "-c", told], "events": ["failure", "recovery"]}}
    site = Site(folder, mongod.uri, f"test_{secrets.token_hex(6)}", settings)
    site.add_run(932, on_disk=False)
    assert site.snakemake().returncode == 1
    site.verb("pend", "--yes", "932")
    (site.folder / "not-there-000932").rename(site.daq / "000932")
    site.add_run(933, on_disk=False)
    assert site.snakemake().returncode == 1
    assert (site.status(932), site.status(933)) == ("done", "failed")
    site.add_run(940, status=None)
    return site


def test_show_says_everything_about_a_run(site):
    said = site.verb("show", "932")
    assert said.returncode == 0, said.stderr
    text = said.stdout
    assert text.startswith("Run 000932: done (attempt 2) last update ")
    for expected in (
        "mode        xamsl",
        "digitizer   V1730, board 77, channels 0, 1\n",
        f"to          {site.work}/data/live_data/000932",
        "compared    ",
        "raw_records_v1730",
        "verdict     clean",
        "pending    submitted",
        "is missing",  # why the first attempt failed
        "\ntransfer                         1  ",
        "  logs/transfer/000932.1.log",
        "logs/process/000932.raw_records_v1730.",
        "results/000932/rundoc.json",
    ):
        assert expected in text, expected
    assert "gone" not in text
    assert "\x1b" not in text


def test_people_were_notified_of_the_failure_and_the_recovery(site):
    lines = (site.folder / "told").read_text().splitlines()
    told = [line for line in lines if line.startswith("run ")]
    assert len(told) == 2  # the second failure was like the first
    assert told[0].startswith("run 000932 failed in transfer: ")
    assert told[1] == "run 000932 is done, the first after failures"


def test_show_as_json(site):
    made = json.loads(site.verb("show", "932", "--json").stdout)
    assert made["run"] == "000932"
    assert made["status"]["status"] == "done"
    assert made["status"]["size_mb"] == made["transfer"]["bytes"] / 1e6
    assert [entry["to"] for entry in made["history"]][:4] == [
        "submitted", "running", "failed", "pending",
    ]  # fmt: skip
    receipt = json.loads((site.work / "results/000932/raw_records_v1730.json").read_text())
    (stored,) = (one for one in made["stored"] if one["data_type"] == "raw_records_v1730")
    assert {k: v for k, v in stored.items() if k in receipt} == {
        k: receipt[k] for k in stored if k in receipt
    }
    assert stored["here"] is True
    assert made["versions"] == receipt["versions"]
    assert made["quality"]["verdict"] == "clean"
    assert {(log["rule"], log["attempt"]) for log in made["logs"]} == {
        ("transfer", 1), ("transfer", 2), ("process", 1), ("publish", 1),
    }  # fmt: skip


def test_show_of_a_run_that_failed(site):
    text = site.verb("show", "933").stdout
    assert text.startswith("Run 000933: failed in transfer (attempt 1)")
    assert "is missing" in text.splitlines()[1]


def test_show_of_a_run_that_nobody_requested(site):
    text = site.verb("show", "940").stdout
    assert text.startswith("Run 000940: not requested")
    assert "Live data" not in text


def test_show_uses_the_files_if_the_database_is_away(site):
    settings = site.folder / "away.yaml"
    settings.write_text(
        "rundb: {uri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200'}\n", encoding="utf-8"
    )
    command = [XAMSFLOW, "show", "932", "--directory", site.work, "--configfile", settings]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "does not respond" in said.stderr
    assert "raw_records_v1730" in said.stdout
    assert "mode        xamsl" in said.stdout  # from the run document that the transfer saw


def test_log_shows_what_failed_last(site):
    said = site.verb("log", "933")
    assert said.returncode == 0
    log = site.work / "logs/transfer/000933.1.log"
    assert said.stderr.startswith(f"==> {log}\n==> failed: ")
    assert said.stdout == log.read_text()


def test_log_of_a_run_that_is_done_is_the_last_one(site):
    assert "logs/publish/000932.1.log" in site.verb("log", "932").stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rule", "transfer"], "logs/transfer/000932.2.log"),
        (["--rule", "transfer", "--attempt", "1"], "logs/transfer/000932.1.log"),
        (["--rule", "process"], "logs/process/000932.raw_records_v1730.1.log"),
    ],
)
def test_the_requested_log_is_shown(site, arguments, expected):
    said = site.verb("log", "932", *arguments)
    assert said.stderr.strip().endswith(expected)
    assert said.stdout == (site.work / expected).read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["log", "932", "--attempt", "7"],
            "has no log of this rule or attempt: available: transfer 1, ",
        ),
        (["log", "940"], "run 000940 has no logs in "),
        (["log", "nine"], "'nine' is not a run"),
        (["show", "934"], "the nearest are 000933 and 000940"),
        (["show", "941-950"], "none of the runs 941-950 is in the run database"),
        (["log", "932", "933", "--follow"], "--follow requires a single run"),
        (["bundle", "932-933", "--output", "x"], "--output requires a single run"),
    ],
)
def test_errors_say_what_to_do(site, arguments, told):
    said = site.verb(*arguments)
    assert said.returncode == 1
    assert told in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("runs", [["932", "933", "940"], ["932-"], ["930-939", "940"]])
def test_several_runs(site, runs):
    said = site.verb("show", *runs)
    assert said.returncode == 0
    heads = [line for line in said.stdout.splitlines() if re.match(r"(Run|run) +\d{6}", line)]
    assert [line.split()[1][:6] for line in heads] == ["000932", "000933", "000940"]
    made = json.loads(site.verb("show", *runs, "--json").stdout)
    assert [one["run"] for one in made] == ["000932", "000933", "000940"]
    answers = site.verb("why", *runs).stdout.splitlines()
    assert [line[:6] for line in answers[:3]] == ["000932", "000933", "000940"]
    made = json.loads(site.verb("why", *runs, "--json").stdout)
    assert [one["run"] for one in made] == ["000932", "000933", "000940"]


def test_logs_and_bundles_of_several_runs(site):
    said = site.verb("log", "930-939")
    assert said.returncode == 0
    assert [line for line in said.stderr.splitlines() if line.startswith("==> /")] == [
        f"==> {site.work}/logs/publish/000932.1.log",
        f"==> {site.work}/logs/transfer/000933.1.log",
    ]
    paths = [site.work / f"run_{run}.tar.gz" for run in ("000932", "000933")]
    for path in paths:
        path.unlink(missing_ok=True)  # of another test
    said = site.xamsflow("bundle", "932", "933")
    assert (said.returncode, said.stderr) == (0, "")
    for path in paths:
        path.unlink()


def test_without_a_verb_the_verbs_are_shown():
    said = subprocess.run([XAMSFLOW], capture_output=True, text=True, check=False)
    assert said.returncode == 0
    for verb in VERBS:
        assert f"\n    {verb}" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shwo", "932"], "unknown command 'shwo' (did you mean show?)"),
        (["status", "--faild"], "unknown argument '--faild' (did you mean --failed?)"),
    ],
)
def test_the_right_spelling_is_suggested(site, arguments, told):
    said = site.verb(*arguments)
    assert said.returncode == 2
    assert told in said.stderr


def test_ctrl_c_while_modules_are_imported_says_nothing():
    """From the first line of main() until the verb runs, Python does not handle the signal."""
    for _ in range(10):  # these moments are short
        process = subprocess.Popen(
            [XAMSFLOW, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            wait_for_import(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=60)
        if (process.returncode, told) == (-signal.SIGINT, ("", "")):
            return
    pytest.fail(f"Ctrl-C during imports was never silent; the last time: {told}")


def wait_for_import(process: "subprocess.Popen[str]") -> None:
    """Wait until Python has caught the signal and no longer does, or until the process has ended.

    If the first moment is missed, this is the end of the command instead of its imports.
    """
    for caught in (True, False):
        while catches_sigint(process.pid) is not caught:
            if process.poll() is not None:
                return


def catches_sigint(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask, 16) & 1 << (signal.SIGINT - 1))


def test_a_bundle_can_be_read_without_this_software(site, tmp_path):
    said = site.xamsflow("bundle", "932")
    assert said.returncode == 0, said.stderr
    content = (site.work / "run_000932.tar.gz").read_bytes()
    with tarfile.open(site.work / "run_000932.tar.gz") as archive:
        # Python 3.11 has the filter since its fourth bugfix release; the archive is our own.
        archive.extractall(
            tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
        )
        assert {member.mtime for member in archive.getmembers()} == {0}
    folder = tmp_path / "run_000932"
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        "README.txt",
        "SHA256SUMS",
        "configuration.yaml",
        "detector/xamsl.yaml",
        "dossier.json",
        "lineage/raw_records_v1730.json",
        "logs/process/000932.raw_records_v1730.1.log",
        "logs/transfer/000932.1.log",
        "logs/transfer/000932.2.log",
        "metadata/raw_records_v1730.json",
        "quality.json",
        "receipts/raw_records_v1730.json",
        "receipts/rundoc.json",
        "receipts/transfer.json",
        "run_document.json",
    }
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == files - {"SHA256SUMS"}
    readme = (folder / "README.txt").read_text()
    assert "Run 000932: done (attempt 2)" in readme
    assert "is missing" in readme  # why the first attempt failed
    lineage = json.loads((folder / "lineage/raw_records_v1730.json").read_text())
    assert lineage
    for plugin, version, settings in lineage.values():
        assert plugin
        assert version
        assert isinstance(settings, dict)
    # Made again elsewhere, it is the same to the byte; an existing file is not overwritten.
    site.xamsflow("bundle", "932", "--output", str(tmp_path / "again.tar.gz"))
    assert (tmp_path / "again.tar.gz").read_bytes() == content
    assert "(unchanged)" in site.xamsflow("bundle", "932").stdout
    said = site.xamsflow("bundle", "933", "--output", str(tmp_path / "again.tar.gz"))
    assert (said.returncode, "exists already" in said.stderr) == (1, True)


def test_a_log_is_followed_until_its_job_has_ended(site):
    folder = site.work / "logs" / "transfer"
    log, link = folder / "000950.1.log", folder / "000950.log"
    log.write_text("first\n")
    link.symlink_to(log.name)
    command = [XAMSFLOW, "log", "950", "--follow", "--directory", site.work]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "first\n"
        with log.open("a") as file:
            file.write("second \x1b[2J")
            file.flush()
            time.sleep(0.5)
            assert process.poll() is None
            file.write("\nlast")
        (folder / "000950.failure.json").write_text(
            json.dumps({"reason": "x", "failure": "unknown", "interrupted": False})
        )
        rest, _ = process.communicate(timeout=60)
        assert rest == "second \\x1b[2J\nlast\n"
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_following_ends_with_ctrl_c(site):
    log = site.work / layout.TRANSFER_LOG.format(run_id="000951")
    log.with_suffix(".1.log").write_text("first\n")
    log.symlink_to("000951.1.log")
    process = subprocess.Popen(
        [XAMSFLOW, "log", "951", "--follow", "--directory", site.work],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        assert process.stdout.readline() == "first\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in said
    finally:
        process.kill()
        process.communicate()
