"""What is current for a run is what the settings give for its range of runs."""

from dataclasses import replace

import pytest

from xamsflow.data import lineage
from xamsflow.settings import config, detector
from xamsflow.state import layout
from xamsflow.views.page import current


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_range_of_runs_has_its_own_current_lineage():
    settings = replace(config.load([]), detector="xams")
    assert current.read(settings) == {}
    current.update(settings, ["007000", "007001"])
    found = current.read(settings)["corrected_areas"]
    expected = lineage.of(detector.load(settings.detector), run="007000")["corrected_areas"]
    assert found == [(0, None), (7000, expected), (7111, None)]  # of others, no run is here
    before = layout.PAGE_CURRENT.stat().st_ino
    current.update(settings, ["007000"])
    assert layout.PAGE_CURRENT.stat().st_ino == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"ranges": 3}', '{"ranges": {"a": {}}}'])
def test_a_file_that_cannot_be_used_judges_nothing(damage):
    layout.PAGE_CURRENT.parent.mkdir()
    layout.PAGE_CURRENT.write_text(damage)
    assert current.read(config.load([])) == {}
