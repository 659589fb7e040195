"""Messages sent by a real command, a small program that keeps what it receives."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from servers.mongod import collection, restartable, scratch
from xamsflow import rundb
from xamsflow.base.errors import ConfigurationError, FailureClass, XamsflowError
from xamsflow.run import notify
from xamsflow.run.failures import Failure
from xamsflow.settings import config
from xamsflow.state import layout

KEEP = f"""#!{sys.executable}
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
about = {{"text": sys.stdin.read(), "environment": dict(os.environ)}}
file = folder / f"{{os.getpid()}}.{{os.environ['XAMSFLOW_EVENT']}}.json"
file.with_suffix(".part").write_text(json.dumps(about))
file.with_suffix(".part").rename(file)
"""
LOG = Path("logs/transfer/000932.log")


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """The folder of sent messages; it is not the working directory."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "keep").write_text(KEEP)
    (tmp_path / "keep").chmod(0o755)
    return tmp_path / "inbox"


@pytest.fixture
def settings(tmp_path, inbox):
    """Return a function that makes a configuration whose messages go to the inbox."""

    def make(**changes):
        section = {"command": [str(tmp_path / "keep"), str(inbox)], "space_left_gb": 0}
        file = tmp_path / "settings.yaml"
        file.write_text(
            yaml.safe_dump(
                {"notify": section | changes, "storage": {"processed": str(tmp_path / "p")}}
            )
        )
        return config.load([file])

    return make


def fail(chosen, run="000932", reason="no space left for /data/000932", kind="resources"):
    failure = Failure(reason, FailureClass(kind))
    notify.failed(chosen, run, stage="transfer", failure=failure, log=LOG)
    notify.finish()


def sent(inbox):
    """Return what was sent, in the order of the events' names."""
    files = sorted(inbox.glob("*.json"), key=lambda file: file.name.split(".")[1])
    return [json.loads(file.read_text()) for file in files]


def events(inbox):
    return [message["environment"]["XAMSFLOW_EVENT"] for message in sent(inbox)]


def test_a_failure_is_told_with_its_facts(settings, inbox):
    fail(settings())
    (message,) = sent(inbox)
    assert message["text"].startswith(
        "run 000932 failed in transfer: no space left for /data/000932\n\n"
    )
    environment = message["environment"]
    assert environment["XAMSFLOW_SUBJECT"] == message["text"].splitlines()[0]
    assert environment["XAMSFLOW_EVENT"] == "failure"
    assert environment["XAMSFLOW_RUN"] == "000932"
    assert environment["XAMSFLOW_STAGE"] == "transfer"
    assert environment["XAMSFLOW_FAILURE"] == "resources"
    assert environment["XAMSFLOW_REASON"] == "no space left for /data/000932"
    assert environment["XAMSFLOW_LOG"] == str(LOG.absolute())


def test_what_a_run_document_says_is_never_run(settings, inbox, tmp_path):
    evil = f"$(touch {tmp_path}/evil) `touch {tmp_path}/evil`; touch {tmp_path}/evil\n\0\ud800 é"
    fail(settings(), reason=evil + "x" * 300_000)
    (message,) = sent(inbox)
    assert not (tmp_path / "evil").exists()
    assert f"$(touch {tmp_path}/evil)" in message["text"]
    assert len(message["environment"]["XAMSFLOW_REASON"]) == notify.LONGEST_FACT


def test_the_command_gets_no_credentials_of_the_run_database(settings, inbox, monkeypatch):
    monkeypatch.setenv("MONGO_USER", "daq")
    monkeypatch.setenv("MONGO_PASSWORD", "s3cr3t-w0rd")
    fail(settings())
    assert "s3cr3t-w0rd" not in json.dumps(sent(inbox))


def test_the_same_failure_is_told_once_also_of_other_runs(settings, inbox):
    chosen = settings()
    fail(chosen)
    fail(chosen)
    fail(chosen, "000933", reason="no space left for /data/000933")
    assert len(sent(inbox)) == 1
    fail(chosen, "000934", reason="the key of daq has changed", kind="configuration")
    assert len(sent(inbox)) == 2


def test_the_same_failure_is_told_again_after_a_while(settings, inbox):
    fail(settings(repeat_h=1e-7))
    fail(settings(repeat_h=1e-7))
    assert len(sent(inbox)) == 2


def test_the_first_success_after_failures_is_told_once(settings, inbox):
    chosen = settings()
    notify.succeeded(chosen, "000931")
    fail(chosen)
    fail(chosen, "000933")
    for run in ("000934", "000935"):
        notify.succeeded(chosen, run)
        notify.finish()
    assert events(inbox) == ["failure", "recovery"]
    message = sent(inbox)[1]
    assert message["text"].startswith("run 000934 is done, the first after failures")
    assert ": 000932 000933\n" in message["text"]


def test_only_events_that_are_wanted_are_told(settings, inbox):
    chosen = settings(events=["recovery"])
    fail(chosen)
    notify.succeeded(chosen, "000933")
    notify.finish()
    assert events(inbox) == ["recovery"]


def test_without_a_command_nothing_happens(settings, inbox):
    chosen = settings(command=None)
    fail(chosen)
    notify.succeeded(chosen, "000933")
    notify.check(chosen, None)
    assert list(Path.cwd().iterdir()) == []


def test_many_processes_that_notice_the_same_tell_it_once(settings, inbox, tmp_path):
    settings()
    program = (
        "import sys; from pathlib import Path\n"
        "from xamsflow.run import notify; from xamsflow.settings import config\n"
        "from xamsflow.run.failures import Failure; from xamsflow.base.errors import FailureClass\n"
        "notify.failed(config.load([Path(sys.argv[1])]), '000932', stage='transfer',\n"
        "    failure=Failure('x', FailureClass.UNKNOWN), log=Path('log')); notify.finish()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "settings.yaml")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(sent(inbox)) == 1


# A command that does not do its work


def test_a_command_that_hangs_is_ended_with_its_children(settings, inbox, tmp_path, caplog):
    script = tmp_path / "hang"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    before = time.monotonic()
    fail(settings(command=[str(script)], timeout_s=1))
    assert time.monotonic() - before < 60
    assert "was still running after 1 s and was killed" in caplog.text
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 60
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def test_the_caller_does_not_wait_for_the_command(settings, inbox, tmp_path):
    script = tmp_path / "wait"
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\n")
    script.chmod(0o755)
    failure = Failure("x", FailureClass.UNKNOWN)
    chosen = settings(command=[str(script)], timeout_s=60)
    notify.failed(chosen, "000932", stage="transfer", failure=failure, log=LOG)
    (tmp_path / "go").touch()  # we got here though the command runs
    notify.finish()


def test_what_could_not_be_sent_is_sent_with_the_next_occasion(
    settings, inbox, monkeypatch, caplog
):
    fail(settings(command=["false"]))
    assert "notify.command false failed with code 1: no output" in caplog.text
    chosen = settings()
    fail(chosen)  # not news, and too early for another try
    assert sent(inbox) == []
    monkeypatch.setattr(notify, "AGAIN", timedelta())
    notify.succeeded(chosen, "000933")
    notify.finish()
    assert events(inbox) == ["failure", "recovery"]
    notify.check(chosen, None)
    notify.finish()
    assert len(sent(inbox)) == 2


@pytest.mark.parametrize("command", ["/does/not/exist", "/etc/passwd"])
def test_a_command_that_cannot_be_run_harms_nothing(settings, inbox, command, caplog):
    fail(settings(command=[command]))
    assert f"notify.command {command} cannot be run" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"told": 3}',
        '{"told": "x"}',
        '{"told": {"x": 5}}',
        '{"failing": 3, "unsent": 4}',
        '{"unsent": [{"time": "x", "message": {"text": 1}}]}',
        '{"checked": "never", "told": {"x": ["failed", "2026-02-30"]}}',
    ],
)
def test_people_are_told_although_the_memory_is_unusable(settings, inbox, content):
    path = Path.cwd() / layout.NOTIFIED
    path.parent.mkdir()
    path.write_text(content)
    for _ in range(2):
        fail(settings())
    assert events(inbox) == ["failure"]


def test_a_working_directory_that_cannot_be_written_harms_nothing(settings, inbox, caplog):
    layout.NOTIFIED.parent.touch()  # a file where the folder belongs
    fail(settings())
    assert "notifications: ConfigurationError: cannot write" in caplog.text


def test_the_test_message_says_what_is_wrong(settings, inbox):
    notify.send_test(settings().notify)
    assert events(inbox) == ["test"]
    with pytest.raises(
        ConfigurationError, match=r"failed with code 3: no such user, shift: try to run it by hand$"
    ):
        notify.send_test(settings(command=["sh", "-c", "echo no such user, shift; exit 3"]).notify)
    with pytest.raises(XamsflowError, match="was still running after"):
        notify.send_test(settings(command=["sleep", "60"], timeout_s=0.2).notify)


# What nobody reports


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(notify, "CHECK_PAUSE", timedelta())


def look(chosen, database=None, **silent):
    notify.check(chosen, database, lambda: silent)
    notify.finish()


@pytest.mark.usefixtures("impatient")
def test_an_unreachable_run_database_is_reported_if_it_lasts(settings, inbox):
    look(settings())
    assert sent(inbox) == []
    for _ in range(2):
        look(settings())
    (message,) = sent(inbox)
    assert message["text"].startswith("the run database run.runs_new does not respond\n")
    assert message["environment"]["XAMSFLOW_EVENT"] == "absence"


@pytest.mark.usefixtures("impatient")
def test_each_place_that_stays_silent_is_reported_and_so_is_its_return(settings, inbox, mongod):
    with rundb.open_database(scratch(mongod)) as database:
        look(settings(), database, daq="no route", slurm="timed out")
        look(settings(), database, slurm="timed out")  # the DAQ host was away for a moment
        look(settings(), database, daq="no route", slurm="timed out")
        (message,) = sent(inbox)
        assert message["text"].startswith("slurm does not respond\n\nSlurm has not resp")
        assert "or earlier:\ntimed out\n" in message["text"]
        look(settings(), database)
        look(settings(), database)
    assert events(inbox) == ["absence", "recovery"]
    assert sent(inbox)[1]["text"].startswith("slurm responds again\n")


@pytest.mark.usefixtures("impatient")
def test_places_that_cannot_be_asked_harm_nothing(settings, inbox, caplog):
    def ask():
        raise OSError("too many open files")

    notify.check(settings(), None, ask)
    assert "notifications: OSError: too many open files" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_disk_that_fills_up_is_reported_once_and_again_after_it_was_fixed(settings, inbox):
    low, enough = (settings(space_left_gb=left, events=["space"]) for left in (1e9, 0))
    for _ in range(2):
        look(low)
    (message,) = sent(inbox)  # both folders are on one disk
    subject = message["environment"]["XAMSFLOW_SUBJECT"]
    assert subject.endswith(" left for storage.live_data and storage.processed")
    look(enough)
    look(low)
    assert len(sent(inbox)) == 2


def test_it_looks_not_more_often_than_is_useful(settings, inbox):
    look(settings())
    look(settings(space_left_gb=1e9))
    assert sent(inbox) == []


NOW = datetime.now(UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(hours=8), NOW - timedelta(hours=1)


def run(number, status, changed=None, end=LONG_AGO):
    return {
        "number": number,
        "start": LONG_AGO - timedelta(hours=1),
        "end": end,
        "processing_status": status,
        "processing": {"time": changed, "owner": "a driver"},
    }


@pytest.mark.parametrize(
    ("documents", "silent"),
    [
        ([], False),
        ([run(930, "done", LONG_AGO)], False),  # nothing waits
        ([run(930, "done", LONG_AGO), run(931, "pending")], True),
        ([run(931, "pending")], True),
        ([run(930, "done", LONG_AGO), run(931, "running", JUST_NOW)], True),
        ([run(930, "done", JUST_NOW), run(931, "pending")], False),
        ([run(930, "done", LONG_AGO), run(931, "pending", JUST_NOW)], False),  # not for long
        ([run(930, "done", LONG_AGO), run(931, "pending", end=JUST_NOW)], False),
        ([run(930, "done", LONG_AGO), run(931, None), run(932, "pending", end=None)], False),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_silence_is_told_where_runs_wait(settings, inbox, mongod, documents, silent):
    where = scratch(mongod)
    with collection(mongod, where) as runs, rundb.open_database(where) as database:
        if documents:
            runs.insert_many([dict(document) for document in documents])
        for _ in range(2):
            look(settings(), database)
        assert events(inbox) == ["absence"] * silent
        if silent:
            assert "000931" in sent(inbox)[0]["text"]


@pytest.mark.usefixtures("impatient")
def test_silence_after_another_success_is_told_anew(settings, inbox, mongod):
    where = scratch(mongod)
    with collection(mongod, where) as runs, rundb.open_database(where) as database:
        runs.insert_one(run(931, "pending"))
        look(settings(), database)
        runs.insert_one(run(932, "done", LONG_AGO))
        look(settings(), database)
    assert events(inbox) == ["absence"] * 2


def test_a_database_that_goes_away_harms_nothing(settings, inbox, tmp_path, caplog):
    with restartable(tmp_path / "mongod") as server:
        where = scratch(server.server, options="serverSelectionTimeoutMS=200")
        with rundb.open_database(where) as database:
            server.stop()
            look(settings(), database)
    assert "notifications: TransientError: the run database" in caplog.text
    assert not list(inbox.iterdir())
