"""Progress of a job during its work: a real database, a real terminal, the job's own log."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from servers.mongod import restartable
from site_for_tests import Site
from xamsflow import rundb
from xamsflow.base.meter import Meter
from xamsflow.redax import rundoc
from xamsflow.run import progress
from xamsflow.settings import config
from xamsflow.settings.config import Rundb
from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout
from xamsflow.state.claims import Claim

DEADLINE_S = 60
"""Seconds after which a test that waits for something fails."""

OWNER = "host:1:tester:0"

SLOW = """
import time

from xamsflow.data.context import context


def slow(detector, processed, config):
    made = context(detector, processed, config)
    plain = made._plugin_class_registry["records"]

    class RecordsTpc(plain):
        def compute(self, start, end, **inputs):
            time.sleep(0.5)
            return super().compute(start, end, **inputs)

    made.register(RecordsTpc)
    return made
"""

JOBS = """
import json, sys
from xamsflow import jobs
from xamsflow.run import progress

progress.LOG_S = progress.TERMINAL_S = progress.RUN_DOCUMENT_S = 0.05
stage = sys.argv[1]
getattr(jobs, stage)(run_id="000932", log=f"{stage}.log", **json.loads(sys.argv[2]))
"""


def wait_for(condition):
    """Return what the condition returns as soon as it is true."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(progress, "RUN_DOCUMENT_S", 0.05)


@pytest.fixture
def running(site: Site) -> Claim:
    """A run that a job is working on."""
    now = datetime.now(UTC)
    site.insert({"number": 932, "mode": "m", "end": now, "processing_status": "pending"})
    with rundb.open_database(settings(site)) as database:
        claim = database.claim_any(932, OWNER, ["records"])
        assert claim is not None
        assert database.started(claim, "process")
    return claim


def settings(site: Site) -> Rundb:
    return config.load([site.configfile]).rundb


def told(site: Site):
    return site.document(932)["processing"].get("progress")


def test_the_run_document_is_told_by_the_servers_clock(site, running, fast):
    meter = Meter()
    with progress.in_run_document(meter, settings(site), running, "process"):
        meter.reach("records", 5e6, 20_000_000, chunk=1, n_chunks=4)
        first = wait_for(lambda: told(site))
        assert first["stage"] == "process"
        assert (first["what"], first["chunk"], first["n_chunks"]) == ("records", 1, 4)
        assert abs(first["time"] - datetime.now(UTC)) < timedelta(minutes=1)
        # A sign of life, even if the work has not advanced.
        wait_for(lambda: told(site)["time"] > first["time"])
        meter.reach("records", 10e6, 20_000_000, chunk=2, n_chunks=4)
        wait_for(lambda: told(site)["chunk"] == 2)
    assert len(site.document(932)["processing"]["history"]) == 2  # no change of status


def test_a_driver_that_takes_the_run_over_learns_that_the_job_runs(site, running, fast):
    with rundb.open_database(settings(site)) as database:
        (run,) = database.claimed()
        (current,) = database.take_over({run: ["records"]}, "host:2:tester:0")
    assert site.document(932)["processing"]["stage"] is None
    meter = Meter()
    meter.reach("records", 5e6, 20_000_000, chunk=1, n_chunks=4)

    def begin_again(database: rundb.RunDatabase, before: Claim) -> Claim | None:
        assert before == running
        return current if database.started(current, "process") else None

    with progress.in_run_document(meter, settings(site), running, "process", begin_again):
        wait_for(lambda: told(site))
    about = site.document(932)
    assert about["processing_status"] == "running"
    assert (about["processing"]["owner"], about["processing"]["stage"]) == (
        "host:2:tester:0",
        "process",
    )


def test_nothing_is_left_of_it_when_the_status_changes(site, running):
    about = {"what": "records", "chunk": 1}
    with rundb.open_database(settings(site)) as database:
        assert database.progress(running, "process", about)
        assert told(site)
        database.started(running, "publish")
        assert told(site) is None
        # A thread that is late reports nothing about a stage that is over.
        assert not database.progress(running, "process", about)
        assert database.progress(running, "publish", about)
        assert database.done(running)
        assert told(site) is None
        assert not database.progress(running, "publish", about)
        assert not database.progress(Claim(932, "somebody else", 1), "publish", about)


def test_a_database_that_comes_back_is_told(tmp_path, fast):
    with restartable(tmp_path / "mongod") as server:
        site = Site(
            tmp_path / "site", f"{server.server.uri}/?serverSelectionTimeoutMS=2000", "test"
        )
        now = datetime.now(UTC)
        site.insert({"number": 932, "mode": "m", "end": now, "processing_status": "pending"})
        with rundb.open_database(settings(site)) as database:
            claim = database.claim_any(932, OWNER, ["records"])
            assert claim is not None
            database.started(claim, "process")
        server.stop()
        meter = Meter()
        meter.reach("records", 5e6, 20_000_000, chunk=1, n_chunks=4)
        with progress.in_run_document(meter, settings(site), claim, "process"):
            time.sleep(0.7)  # it is asked at least once while it is away
            server.start()
            wait_for(lambda: told(site))


def test_a_database_that_hangs_does_not_hold_up_the_end(tmp_path, fast, monkeypatch):
    monkeypatch.setattr(progress, "END_S", 0.2)
    with embedded_mongod.running(tmp_path / "mongod") as server:
        rundb_settings = Rundb(server.uri, None, "run", "runs_new", None)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            meter = Meter()
            meter.reach("records", 5e6, 20_000_000)
            before = set(threading.enumerate())
            with progress.in_run_document(meter, rundb_settings, Claim(932, OWNER, 1), "process"):
                # Its thread has begun to connect: pymongo's own threads exist.
                wait_for(lambda: len(set(threading.enumerate()) - before) > 1)
            # It goes on waiting for 5 s, and for 30 s if it was connected.
            assert set(threading.enumerate()) - before, "it did not wait for the database"
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_jobs_tell_their_log_and_terminal_and_the_run_document(make_site):
    site = make_site(targets=["records"], context="slow_records.slow")
    (site.work / "slow_records.py").write_text(SLOW)
    site.add_run(932)
    with rundb.open_database(settings(site)) as database:
        claim = database.claim_any(932, OWNER, ["records"])
        assert claim is not None
    (site.work / "results" / "000932").mkdir(parents=True)
    tell = "from xamsflow.state.claims import *; write([Order(Claim(932, %r, 1), ('records',))])"
    subprocess.run([sys.executable, "-c", tell % OWNER], cwd=site.work, check=True)

    receipt = "results/000932/transfer.json"
    shown, _ = run_at_terminal(site, "transfer", {"receipt": receipt})
    log = (site.work / "transfer.log").read_text()
    assert "reading the checksums" in log

    arguments = {
        "data_type": "records",
        "transfer_receipt": receipt,
        "receipt": "results/000932/records.json",
        "threads": 1,
    }
    shown, seen = run_at_terminal(site, "process", arguments)
    assert {"stage": "process", "what": "records", "n_chunks": 3}.items() <= seen.items()
    assert "process of run 000932: records: 1 of 3 chunks, " in shown
    assert "\x1b" not in shown
    log = (site.work / "process.log").read_text()
    for told_once in (log, shown):
        assert told_once.count("records: 1 of 3 chunks, ") == 1


VERIFY = """
import sys
from xamsflow import cli
from xamsflow.run import progress

progress.TERMINAL_S = 0.001
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_command_shows_at_a_terminal_how_far_it_is(site):
    site.add_run(932, duration=3.0, rate=3000.0)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", VERIFY, "verify", "932", "--live-data", str(site.daq)]
    document = site.folder / "rundoc.json"
    document.write_text(json.dumps(rundoc.to_json(site.document(932))))
    done = subprocess.run(
        [*command, "--rundoc", str(document)], stderr=theirs, stdout=subprocess.PIPE, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert re.search(r"^run 000932: checks: \d of 5 chunks", shown)
    assert b"checks:" not in done.stdout


def run_at_terminal(site, stage, arguments):
    """Run a job with a terminal for stderr; return what it and the run document showed."""

    ours, theirs = pty.openpty()
    job = subprocess.Popen(
        [sys.executable, "-c", JOBS, stage, json.dumps(arguments)],
        cwd=site.work,
        stderr=theirs,
        env=os.environ | config.to_environment(_merged(site)),
    )
    os.close(theirs)
    shown = []

    def read():
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other side is closed
                return
            shown.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    seen = {}
    try:
        while job.poll() is None:
            if (found := told(site)) and found["what"] == "records":
                seen = found
            time.sleep(0.05)
    finally:
        job.kill()
        reader.join()
        os.close(ours)
    assert job.returncode == 0, b"".join(shown)
    return b"".join(shown).decode(), seen


def _merged(site):

    merged = yaml.safe_load(layout.DEFAULT_CONFIG.read_text())
    for key, value in yaml.safe_load(site.configfile.read_text()).items():
        merged[key] = {**merged[key], **value} if isinstance(merged[key], dict) else value
    return merged
