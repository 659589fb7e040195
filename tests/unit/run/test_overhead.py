"""What drivers take beside their jobs."""

import os
import time
from pathlib import Path

import pytest

from xamsflow.run import overhead
from xamsflow.run.overhead import Stopwatch
from xamsflow.state import layout


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Return a list with the time that passes for a driver, in s."""
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def drive(clock, owner, runs, *, places=1, before_s=3.0, between_s=0.5, published=True):
    """Let a driver process runs, each with a job of 1 s and one of 2 s, on places side by side."""
    stopwatch = Stopwatch()
    clock[0] += before_s
    for turn in range(0, runs, places):
        for pattern, wall_s in ((layout.TRANSFER_LOG, 1.0), (layout.PUBLISH_LOG, 2.0)):
            clock[0] += between_s
            for place in range(places):
                log = Path(pattern.format(run_id=f"{turn + place:06d}"))
                stopwatch.job_started(log)
                used(layout.usage(log), wall_s, clock[0] + wall_s)
            clock[0] += wall_s
        for place in range(places):
            if published:
                stopwatch.published(f"{turn + place:06d}")
    stopwatch.write(owner)


def used(path, wall_s, ended):
    """Write what a job used, which ended at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\tcpu_time\n{wall_s}\t0.4\n")
    os.utime(path, (ended, ended))


@pytest.mark.parametrize("places", [1, 2, 5])
def test_what_each_place_does_beside_its_jobs(clock, places):
    drive(clock, "a:1", 30 * places, places=places)
    (took,) = overhead.learn()
    assert (took.places, took.runs_in_turn) == (places, 30)
    assert took.idle_s == pytest.approx(3.0 + 30 * 1.0)


def test_drivers_are_written_down_one_by_one_and_the_newest_count(clock):
    for number in range(overhead.LEARN_FROM + 5):
        drive(clock, f"a:{number}", 3 + number)
        os.utime(layout.driver_usage(f"a:{number}"), (number, number))
    runs = [took.runs for took in overhead.learn()]
    assert runs == list(range(overhead.LEARN_FROM + 7, 7, -1))


def test_what_earlier_jobs_used_does_not_count(clock):
    for number in (0, 7, 8):  # one will run again, two will be canceled
        used(layout.usage(Path(layout.PUBLISH_LOG.format(run_id=f"{number:06d}"))), 600.0, 50.0)
    stopwatch = Stopwatch()
    for number in (7, 8):
        stopwatch.job_started(Path(layout.PUBLISH_LOG.format(run_id=f"{number:06d}")))
    for number in range(6):
        log = Path(layout.PUBLISH_LOG.format(run_id=f"{number:06d}"))
        stopwatch.job_started(log)
        clock[0] += 2.0
        used(layout.usage(log), 2.0, clock[0])
        stopwatch.published(f"{number:06d}")
    stopwatch.write("a:1")
    (took,) = overhead.learn()
    assert (took.runs, took.places, took.wall_s, took.busy_s) == (6, 1, 12.0, 12.0)


def test_each_run_adds_what_the_longest_driver_took_more_than_short_ones(clock):
    assert overhead.expected_s(10) == 0.0
    drive(clock, "a:1", 100, places=2, before_s=50.0, between_s=0.1)
    assert overhead.expected_s(5) == pytest.approx(6.0), "no driver shows what any takes"
    assert overhead.expected_s(500) == pytest.approx(60.0)
    for number in range(3):
        drive(clock, f"a:{number + 2}", 3, before_s=50.0 + number, between_s=0.1)
    assert overhead.expected_s(5) == pytest.approx(51.6 + 0.1 * (60 - 51.6))
    assert overhead.expected_s(500) == pytest.approx(51.6 + 10 * (60 - 51.6))


@pytest.mark.parametrize("how", [{"runs": 2}, {"runs": 9, "places": 9}, {"published": False}])
def test_drivers_that_did_not_process_runs_in_turn_say_nothing(clock, how):
    drive(clock, "a:1", **{"runs": 20} | how)
    assert overhead.learn() == []


def test_without_drivers_and_with_damaged_files_nothing_is_known(clock):
    assert overhead.learn() == []
    Stopwatch().write("a:1")
    folder = layout.driver_usage("a:2").parent
    folder.mkdir(parents=True)
    right = '{{"runs": 9, "places": 1, "wall_s": {}, "busy_s": 9}}'
    odd = ("{", "{}", '{"runs": "many"}', *map(right.format, ("NaN", "1e999", "1" * 400, -1)))
    for number, text in enumerate(odd):
        (folder / f"b:{number}.json").write_text(text)
    (folder / "nowhere.json").symlink_to("nowhere")
    (folder / "folder.json").mkdir()
    assert overhead.learn() == []
