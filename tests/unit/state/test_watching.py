"""Whether the watch of a working directory is alive."""

import re
import subprocess
import sys
from datetime import timedelta

import pytest

from xamsflow.base import clock, process
from xamsflow.operate.doctor import this_host
from xamsflow.state import layout, receipts, watching


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sign(**changes):
    watching.looked(10.0)
    receipts.write(layout.WATCHING, receipts.read(layout.WATCHING) | changes)
    found = watching.current()
    assert found is not None
    return found


def test_a_watch_that_looks_is_well_until_it_ends():
    assert watching.current() is None
    found = sign()
    assert found.is_well
    assert re.fullmatch(rf"watch on {re.escape(process.host())}, last query \d+ s ago", str(found))
    told = found.to_json()
    assert (told["host"], told["is_well"]) == (process.host(), True)
    assert 0 <= told["age_s"] < 60
    assert [one.verdict for one in this_host.watch()] == ["ok"]
    watching.ended()
    assert watching.current() is None
    assert list(this_host.watch()) == []


def test_a_killed_watch_has_died():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    killed = str(process.of(child.pid))
    child.kill()
    child.wait()
    found = sign(owner=killed)
    assert (found.is_well, "has died, last query" in str(found)) == (False, True)
    (result,) = this_host.watch()
    assert (result.verdict, result.remedy) == ("problem", "start xamsflow watch again")
    watching.ended()  # another one
    assert watching.current() is not None


@pytest.mark.parametrize(
    ("age_s", "interval_s", "well"), [(50, 10, True), (70, 10, False), (200, 90, True)]
)
def test_a_watch_that_has_not_looked_for_long_is_silent(age_s, interval_s, well):
    long_ago = clock.now() - timedelta(seconds=age_s)
    found = sign(last_look=long_ago.isoformat(), interval_s=interval_s)
    assert (found.has_died, found.is_well) == (False, well)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"last_look": 3}'])
def test_a_damaged_sign_says_nothing(text):
    layout.WATCHING.parent.mkdir()
    layout.WATCHING.write_text(text)
    assert watching.current() is None
