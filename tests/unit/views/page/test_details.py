"""Whose details are out of date, without looking at the files of all runs each time."""

import os
from datetime import timedelta

import pytest

from xamsflow.base import clock
from xamsflow.state import layout
from xamsflow.views.page import details


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(wanted: dict[int, int]) -> set[int]:
    """Leave the scripts of these runs, as they are written."""
    for number, version in wanted.items():
        path = layout.page_details(layout.run_id(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, ns=(version, version))
    return set(wanted)


def test_files_of_unchanged_runs_are_looked_at_now_and_then(monkeypatch):
    stamps = {7: 1000, 8: 2000, 9: 3000}
    assert written(details.out_of_date(stamps, 2, thorough=False)) == {8, 9}
    assert written(details.out_of_date(stamps, 2, thorough=False)) == {7}  # what was left
    layout.overview("000008").parent.mkdir(parents=True)
    stamps |= {7: 4000}
    assert written(details.out_of_date(stamps, 9, thorough=False)) == {7}
    assert written(details.out_of_date(stamps, 9, thorough=True)) == {8}
    layout.overview("000009").parent.mkdir(parents=True)
    assert details.out_of_date(stamps, 9, thorough=False) == {}
    later = clock.now() + timedelta(milliseconds=details.THOROUGH_MS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert written(details.out_of_date(stamps, 9, thorough=False)) == {9}


def test_a_damaged_note_of_the_last_look_means_that_all_are_looked_at():
    layout.PAGE_DETAILS_SEEN.parent.mkdir()
    for damage in ("{", "[]", '{"time": "now"}'):
        layout.PAGE_DETAILS_SEEN.write_text(damage)
        assert details.out_of_date({7: 1000}, 9, thorough=False) == {7: 1000 * details.MS}
