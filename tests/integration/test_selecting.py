"""Which runs the driver would take: all parts give the same answer, and the driver takes those."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest

from site_for_tests import PROFILE
from xamsflow import rundb
from xamsflow.base import clock, process
from xamsflow.operate.watcher import Watcher, WatchOptions
from xamsflow.run import journal
from xamsflow.run.driver import Driver
from xamsflow.run.publish import Done
from xamsflow.settings import config
from xamsflow.state.claims import Claim

LIVING = str(process.of(os.getpid()))
DEAD = str(process.of(os.getpid())._replace(started=1))
ELSEWHERE = "far-away:1:1:boot"


class Runs:
    """Run documents as seen now: an age in them is true only for a test that has just begun."""

    def __init__(self) -> None:
        now = clock.now()

        def claimed(owner, age_s=0.0, status="running", **fields):
            heartbeat = now - timedelta(seconds=age_s)
            processing = {"owner": owner, "attempt": 1, "heartbeat": heartbeat, **fields}
            return {"processing_status": status, "processing": processing}

        def failed(**processing):
            return {"processing_status": "failed", "processing": {"attempt": 1, **processing}}

        self.times = {"start": now - timedelta(hours=2), "end": now - timedelta(hours=1)}
        self.taken = {
            1: {"processing_status": "pending"},
            2: {"processing_status": {"status": "pending", "time": now}},
            3: {"processing_status": "pending", "processing": {"attempt": 3, "reprocess": True}},
            4: failed(retry_at=now - timedelta(hours=1)),
            5: {"processing_status": "done", "tags": [{"name": "process"}]},
            6: claimed(DEAD),
            7: claimed(DEAD, status="submitted"),
            8: claimed(ELSEWHERE, age_s=3600),
            9: claimed("of an older version", age_s=3600),
            10: claimed(ELSEWHERE, heartbeat=None),
            11: claimed(ELSEWHERE, heartbeat="long ago"),
            12: claimed(ELSEWHERE, heartbeat=["long", "ago"]),
        }
        self.left = {
            21: {},
            22: {"processing_status": "done"},
            23: {"processing_status": "pending", "end": None},
            24: {"processing_status": "pending", "tags": [{"name": "abandon"}]},
            25: {"processing_status": "pending", "mode": "other"},
            26: failed(),
            27: failed(retry_at=now + timedelta(hours=1)),
            28: claimed(LIVING, age_s=3600),
            29: claimed(ELSEWHERE),
            30: {"processing_status": "submitted_job", "processing": {"owner": DEAD}},
            31: claimed(DEAD, mode="other") | {"mode": "other"},
            32: claimed(DEAD) | {"tags": [{"name": "hold-processing"}]},
            33: {"processing_status": "?"},
        }
        self.kept = {41: claimed(DEAD), 42: claimed(ELSEWHERE, age_s=3600)}
        """Runs whose outcome is kept in the journal."""


TAKE_AND_DIE = """
import os, pathlib, sys
from xamsflow.run.driver import Driver
from xamsflow.settings import config

driver = Driver(config.load([pathlib.Path(sys.argv[1])]), submit=lambda: None)
print(*driver.take_pending(), flush=True)
os._exit(0)
"""


@pytest.fixture
def asked(make_site, monkeypatch):
    """Return a site with all these runs, its settings, and the runs."""
    select = {"modes": ["xamsl_*"], "force_tags": ["process"], "retry": True, "newest": None}
    site = make_site(select=select)
    runs = Runs()
    for number, fields in (runs.taken | runs.left | runs.kept).items():
        site.insert(
            {"number": number, "mode": "xamsl_led", "detectors": ["xamsl"], **runs.times} | fields
        )
    monkeypatch.chdir(site.work)
    settings = config.load([site.configfile])
    for number, fields in runs.kept.items():
        journal.keep_done(
            Claim(number, fields["processing"]["owner"], 1), Done([], {}, {}), settings
        )
    return site, settings, runs


def test_everybody_gives_the_same_answer(asked):
    site, settings, runs = asked
    expected = sorted(runs.taken, reverse=True)
    driver = Driver(settings, submit=lambda: None)
    answers = {"the driver's preview": [int(run) for run in driver.preview_pending()]}
    options = WatchOptions(PROFILE, configfiles=[site.configfile], max_jobs=1, once=True)
    watcher = Watcher(settings, options, say=lambda _line: None)
    with rundb.open_database(settings.rundb) as database:
        answers["watch"] = [run.number for run in watcher._wait_list(database)]
    planned = site.verb("plan")
    answers["plan"] = [
        int(line.split()[0]) for line in planned.stdout.splitlines() if line[:1] == "0"
    ]
    assert answers == dict.fromkeys(answers, expected), planned
    # The driver takes the predicted runs, each at the first try. It is killed, so it does not give
    # its claims back.
    took = subprocess.run(
        [sys.executable, "-c", TAKE_AND_DIE, str(site.configfile)],
        capture_output=True,
        text=True,
        check=True,
        cwd=site.work,
    )
    # It publishes the journal first, so that the runs kept there are done.
    assert [int(number) for number in took.stdout.split()] == expected, took.stderr
    assert {site.status(number) for number in runs.taken} == {"submitted"}
    assert {site.status(number) for number in runs.kept} == {"done"}
    for number, fields in runs.left.items():
        assert site.document(number).get("processing") == fields.get("processing")
