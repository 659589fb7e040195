import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import strax
import yaml

from xamsflow.data.context import PLUGINS, context
from xamsflow.settings import config, data_types, detector
from xamsflow.settings.data_types import DataTypes, DetectorPart
from xamsflow.state import layout

SHIPPED = ("xams", "xams_2021", "xamsl")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_context_makes_what_the_table_names(name):
    chosen = detector.load(name)
    made = context(chosen, Path("nowhere"), readonly=True)
    assert set(made.tree) == set(data_types.of(chosen))


@pytest.mark.parametrize("name", SHIPPED)
def test_each_data_type_of_a_detector_exists(name):
    assert all(data_types.exists(one) for one in data_types.of(detector.load(name)))


@pytest.mark.parametrize(
    "name", ["peak_basic", "raw_records_", "events_sipm", "led_calibration_", ""]
)
def test_names_that_no_detector_can_have(name):
    assert not data_types.exists(name)


def test_an_entry_and_its_plugin_are_all_that_a_new_data_type_needs(monkeypatch):
    class EventAreas(strax.Plugin):
        depends_on = "event_basics"
        provides = "event_areas"
        data_kind = "events"
        dtype = (*strax.time_fields, (("Area of all peaks [PE]", "total"), np.float32))

    module = ModuleType(f"{PLUGINS}.event_areas")
    module.event_areas = lambda _: EventAreas
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = DataTypes(("event_areas",), DetectorPart.TPC, "event_areas")
    monkeypatch.setattr(data_types, "TABLE", (*data_types.TABLE, entry))

    xams = detector.load("xams")
    assert "event_areas" in context(xams, Path("nowhere"), readonly=True).tree
    settings = yaml.safe_load(layout.DEFAULT_CONFIG.read_text()) | {"targets": ["event_areas"]}
    here = config.of_detector(config.parse(settings), data_types.of(xams))
    assert here.targets == ("event_areas",)
