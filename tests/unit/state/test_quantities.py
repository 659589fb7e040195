"""The file with the quantities of a run."""

import json

import pytest

from xamsflow.base.errors import BadDataError
from xamsflow.state import layout, quantities
from xamsflow.state.quantities import Quantities, Quantity

RUN = "000932"

FOUND = Quantities(
    run_id=RUN,
    detector="xams",
    mode="external_pmt",
    start=1_700_000_000_000_000_000,
    end=1_700_000_060_000_000_000,
    time="2026-01-02T03:04:05+00:00",
    lineage={"event_info": "abcdefghij"},
    quantities={
        "event_rate": Quantity(1.25, 0.5, "Hz", "events per second of live time"),
        "spe_area_ch3": Quantity(None, problem="no lone hits", channel=3),
        "weather": Quantity("rain", by="quantities.py"),
    },
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_is_written_is_read():
    quantities.write(FOUND)
    assert quantities.read(RUN) == FOUND


def test_a_run_without_quantities():
    assert quantities.read(RUN) is None


@pytest.mark.parametrize("key", ["version", "quantities", "start"])
def test_a_file_of_another_form_is_refused(key):
    quantities.write(FOUND)
    path = layout.quantities(RUN)
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(BadDataError, match=r"quantities\.json .*backfill"):
        quantities.read(RUN)
