"""`xamsflow status` on a real run database, as a person types it."""

import json
import os
import pty
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from site_for_tests import XAMSFLOW
from xamsflow.rundb import RunSummary
from xamsflow.views import run_table
from xamsflow.views.causes import Causes

NOW = datetime.now(UTC).replace(microsecond=0)


def document(number, status=None, *, ago_h=1.0, mode="xamsl_V1730_30ADC_th", **processing):
    start = NOW - timedelta(hours=ago_h)
    made = {
        "number": number,
        "mode": mode,
        "start": start,
        "end": start + timedelta(minutes=20),
        "data": [{"type": "live", "host": "daq", "location": "/daq"}],
    }
    if status is not None:
        made["processing_status"] = status
    if processing:
        made["processing"] = processing
    return made


@pytest.fixture
def runs(site):
    return site.collection


def numbers(said):
    return [line.split()[0] for line in said.splitlines() if line[:6].isdigit() and line[6] == " "]


def test_one_glance(site, runs):
    runs.insert_many(
        [
            document(930, "done", ago_h=9),
            document(931, "failed", reason="the disk\nis \x1b[2Jfull", failure="resources"),
            document(
                932,
                "running",
                owner="x",
                stage="process",
                host="wn-1.nikhef.nl",
                job_id="17.stbc",
                attempt=2,
                time=NOW,
                progress={"chunk": 3, "n_chunks": 9, "time": NOW},
            ),
            document(933, "pending") | {"tags": [{"name": "hold-processing"}]},
            document(934) | {"end": None},
            document(936) | {"tags": [{"name": "hold-processing"}]},
            document(935, {"status": "failed", "reason": "an old tool's"}),
        ]
    )
    said = site.verb("status")
    assert said.returncode == 0, said.stderr
    first = said.stdout.splitlines()[0]
    assert first.startswith(f"7 runs in {site.database}.runs_new on 127.0.0.1:")
    assert first.endswith(
        ": 1 running, 1 pending, 2 failed, 1 done, 1 being taken, 1 not requested"
    )
    assert numbers(said.stdout) == [f"000{number}" for number in range(936, 929, -1)]
    assert "process 3/9" in said.stdout
    assert said.stdout.count("skipped: tag hold-processing") == 2
    assert " wn-1 " in said.stdout
    assert "being taken" in said.stdout
    assert "an old tool's" in said.stdout
    assert "\x1b" not in said.stdout
    assert r"the disk\nis \x1b[2Jfull" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["936", "935", "934", "933", "932", "931", "930"]),
        (["--status", "done"], ["935", "930"]),
        (["--status", "done", "--failed"], ["935", "932", "930"]),
        (["--failed"], ["932"]),
        (["--status", "none"], ["936"]),
        (["931-933", "936"], ["936", "933", "932", "931"]),
        (["934-"], ["936", "935", "934"]),
        (["--mode", "*led*"], ["934"]),
        (["--since", "5h"], ["936", "935"]),
        (["--newest", "2"], ["936", "935"]),
        (["--newest", "1", "--status", "done"], ["935"]),
    ],
)
def test_the_choice_of_runs(site, runs, arguments, expected):
    runs.insert_many(
        [
            document(930, "done", ago_h=100),
            document(931, "pending", ago_h=90),
            document(932, "failed", ago_h=80),
            document(933, "running", ago_h=70),
            document(934, "submitted", ago_h=60, mode="xams_led_2"),
            document(935, "done", ago_h=2),
            document(936, ago_h=1),
        ]
    )
    said = site.verb("status", *arguments)
    assert said.returncode == 0, said.stderr
    assert numbers(said.stdout) == [f"000{number}" for number in expected]
    made = json.loads(site.verb("status", "--json", *arguments).stdout)
    assert [run["run"] for run in made["runs"]] == [f"000{number}" for number in expected]


def test_of_many_runs_those_that_matter_are_shown_and_the_others_counted(site, runs):
    runs.insert_many(
        [document(number, "done") for number in range(100, 200)]
        + [document(number, "failed") for number in range(200, 230)]
        + [document(number, "pending") for number in range(230, 260)]
        + [document(50, "running"), document(51, "submitted")]
        + [document(number) for number in range(300, 310)]
    )
    said = site.verb("status").stdout
    assert said.splitlines()[0].endswith(
        "1 running, 1 submitted, 30 pending, 30 failed, 100 done, 10 not requested"
    )
    shown = numbers(said)
    assert len(shown) == 20
    assert {"000050", "000051", "000199", "000229", "000259"} <= set(shown)
    assert "… and 24 more pending, 24 more failed, 94 more done, 10 more not requested" in said
    assert len(numbers(site.verb("status", "--all").stdout)) == 172


def test_failures_are_grouped_by_cause(site, runs):
    away = "the DAQ host does not respond (try {} of 20)"
    for number in (*range(100, 130), 140, 150, 151):
        about = {"failure": "transient", "stage": "transfer", "reason": away.format(number % 7)}
        runs.insert_one(document(number, "failed", **about))
    runs.insert_one(document(160, "failed", failure="bad_data", reason="chunk 3 is torn"))
    said = site.verb("status").stdout
    # In the words of the newest.
    first = f"33 failed in transfer (transient): 100-129 140 150 151\n    {away.format(151 % 7)}\n"
    assert first in said
    assert "1 failed (bad_data): 160\n    chunk 3 is torn\n" in said
    # One of a kind stands in the table of runs already.
    assert "bad_data" not in site.verb("status", "151-160").stdout


def test_a_narrow_terminal_shows_whole_reasons():
    words = [f"word{n}" for n in range(40)]
    row = RunSummary.of(document(932, "failed", stage="transfer", reason=" ".join(words)))
    found = Causes()
    found.add(row)
    lines = run_table.by_cause(found.most_frequent_first(), 80).splitlines()
    assert lines[0] == "1 failed in transfer: 932"
    assert " ".join(lines[1:]).split() == words
    assert max(map(len, lines)) <= 80


def test_json_has_the_documented_keys(site, runs):
    runs.insert_one(document(932, "done"))
    made = json.loads(site.verb("status", "--json").stdout)
    assert set(made) == {"time", "collection", "counts", "watch", "runs"}
    assert made["watch"] is None
    assert made["counts"] == {
        "running": 0, "submitted": 0, "pending": 0, "failed": 0, "done": 1, "none": 0,
    }  # fmt: skip
    assert made["runs"][0]["length_s"] == 1200.0


def at_a_terminal(site, columns, **environment):
    """Return what the command says at a terminal with so many columns."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [XAMSFLOW, "status", "--configfile", str(site.configfile)],
        stdout=follower,
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm"} | environment,
    )
    os.close(follower)
    said = b""
    try:
        while part := os.read(leader, 4096):
            said += part
    except OSError:  # the other side of a terminal that was closed
        pass
    finally:
        os.close(leader)
        process.wait()
    return said.decode()


def test_a_terminal_gets_colour_and_lines_that_fit(site, runs, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    runs.insert_one(document(932, "failed", reason="word " * 60, stage="transfer"))
    said = at_a_terminal(site, 70)
    assert "\x1b[31mfailed\x1b[0m" in said
    plain = at_a_terminal(site, 70, NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(len(line.rstrip()) for line in plain.splitlines()[1:]) <= 70
    assert "…" in plain


def test_no_run_is_no_error(site):
    said = site.verb("status")
    assert said.returncode == 0
    assert said.stdout.startswith("0 runs in ")
    assert "none at all" in said.stdout
    site.add_run(7)
    said = site.verb("status", "--failed").stdout
    assert said.startswith("No runs in ")
    assert said.endswith(" match.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["93x"], "'93x' is not a run: give a number such as 932, or a range such as 932-940"),
        (["940-932"], "did you mean 932-940?"),
        (["933"], "the nearest are 000932 and 000940"),
        (["--since", "soon"], "'soon' is not a time"),
        (["--newest", "0"], "'0' is not an integer of at least 1"),
        (["--status", "ended"], "invalid choice: 'ended'"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(site, runs, arguments, told):
    runs.insert_many([document(932, "done"), document(940, "done")])
    said = site.verb("status", *arguments)
    assert said.returncode != 0
    assert told in said.stderr
    assert "Traceback" not in said.stderr


def test_without_a_run_database(make_site):
    site = make_site(rundb={"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"})
    said = site.verb("status")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "does not respond" in said.stderr
    assert "is MongoDB running there?" in said.stderr


def test_a_working_directory_that_is_not_there_is_not_made(site):
    missing = site.folder / "typo"
    said = subprocess.run(
        [XAMSFLOW, "status", "--directory", missing], capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert "the working directory" in said.stderr
    assert not missing.exists()
