"""The example of a data type of one's own, as its how-to guide has it."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from xamsflow.analysis.site import Site
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.state import layout, receipts

EXAMPLE = layout.REPOSITORY / "docs" / "examples" / "own_data_types.py"
PAGE = layout.REPOSITORY / "docs" / "how-to" / "own-data-types.md"
NAME = "charge_to_light"


@pytest.fixture
def own(changeable, tmp_path, monkeypatch):
    """A working directory with the example, and a site with its context."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    settings = replace(changeable.settings, context="own_data_types.context")
    return Site(settings, folder, run_database=False)


def test_the_page_shows_the_example():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert block in EXAMPLE.read_text()


def test_in_a_notebook(changeable, own, tmp_path):
    from own_data_types import ChargeToLight  # noqa: PLC0415 - where the test has put it

    st = changeable.context(tmp_path / "my_data")
    st.register(ChargeToLight)
    found = st.get_df("006800", ("event_info", NAME), progress_bar=False)
    assert np.isfinite(found["log_ratio"]).sum() > 5
    assert [*(tmp_path / "my_data").glob(f"006800-{NAME}-*")]


def test_the_workflow_makes_it_and_the_site_loads_it(own, place):
    transferred = receipts.read(place / layout.transfer_receipt("006800"))
    made = process_run(
        document=rundoc.from_json(transferred["run_document"]),
        detector=own.detector,
        live_data=place / "live_data",
        processed=own.processed,
        data_type=NAME,
        other_context=own.settings.context,
    )
    assert made["stored"].keys() >= {NAME, "event_info"}
    found = own.load(("event_info", NAME), 6800, selection="log_ratio > 0")
    assert 5 < len(found) <= made["n_items"]
    own.load(NAME, 7200, make=True)
    st = own.context()
    assert list(st.select_runs(available=NAME)["name"]) == ["006800", "007200"]
    st.define_run("_both", ["006800", "007200"])
    joined = st.get_df("_both", NAME, progress_bar=False)
    assert len(joined) == len(own.load(NAME, [6800, 7200]))
