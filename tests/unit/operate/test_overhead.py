"""What runs take beside their jobs."""

import os
from pathlib import Path

import pytest

from xamsflow.operate.overhead import LEARN_FROM, JobTime, per_run_s, recent_jobs
from xamsflow.state import layout


def in_turn(runs, start=1000.0, between=0.5, place=""):
    """Return jobs of 1 s and of 2 s for each run, at one place, with a time before each job."""
    jobs = []
    for number in range(runs):
        for wall_s in (1.0, 2.0):
            start += between
            jobs.append(JobTime(f"{place}{number}", start, start + wall_s))
            start += wall_s
    return jobs


@pytest.mark.parametrize("places", [1, 2, 5])
def test_what_is_between_the_jobs_of_each_place(places):
    jobs = [
        job for place in range(places) for job in in_turn(30, start=0.1 * place, place=f"{place}/")
    ]
    assert per_run_s(reversed(jobs)) == pytest.approx(1.0, rel=0.05)


def test_a_time_without_jobs_is_not_overhead():
    later = in_turn(30, start=5000.0, place="later")
    assert per_run_s(in_turn(30) + later) == pytest.approx(1.0, rel=0.05)


def test_runs_that_came_one_by_one_say_nothing():
    jobs = [job for number in range(20) for job in in_turn(1, start=600.0 * number, place=number)]
    assert per_run_s(jobs) == 0.0
    assert per_run_s([]) == 0.0


def test_the_runs_published_last_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recent_jobs() == []
    for number in range(LEARN_FROM + 10):
        run = layout.run_id(number)
        receipt = layout.data_type_receipt(run, "peaks")
        receipt.parent.mkdir(parents=True)
        receipt.touch()
        for pattern, ended in (
            (layout.PROCESS_BENCHMARK, 3 * number + 1),
            (layout.PUBLISH_BENCHMARK, 3 * number + 2),
        ):
            used(pattern.format(run_id=run, data_type="peaks"), ended)
    Path(layout.PROCESS_BENCHMARK.format(run_id=layout.run_id(100), data_type="peaks")).write_text(
        ""
    )
    jobs = recent_jobs()
    assert {job.run for job in jobs} == {
        layout.run_id(number) for number in range(10, LEARN_FROM + 10)
    }
    assert len(jobs) == 2 * LEARN_FROM - 1
    assert per_run_s(jobs) == pytest.approx(2.0, rel=0.05)


def used(file, ended):
    """Write what a job of half a second used, which ended at a time."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("s\tcpu_time\n0.5\t0.4\n")
    os.utime(path, (ended, ended))
