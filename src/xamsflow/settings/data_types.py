"""The data types: the single table of what is made from a run, and for which detectors.

A new data type needs an entry here and the function that the entry names in
``xamsflow/data/plugins/``. This module does not import strax, because parsing the workflow needs
these names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from xamsflow.settings.detector import DEAD_TIME, Detector, Signals

_NAME = "[a-z][a-z0-9]*"
"""Pattern for the names of digitizers and groups of signals."""


class DetectorPart(Enum):
    """The part of a detector for which a data type is made."""

    DIGITIZERS = auto()
    """All digitizers together: one data type for each, and one for the dead time."""
    SIGNALS = auto()
    """The TPC's signals and each other group of signals: one data type for each."""
    TPC = auto()
    COINCIDENCES = auto()
    """The TPC together with another detector."""
    LED = auto()

    def of(self, detector: Detector) -> list[Any]:
        """Return a detector's parts of this kind."""
        tpc = [] if detector.tpc is None else [detector.tpc]
        match self:
            case DetectorPart.DIGITIZERS:
                return [detector]
            case DetectorPart.SIGNALS:
                return [*(one.signals for one in tpc), *detector.signals]
            case DetectorPart.TPC:
                return tpc
            case DetectorPart.COINCIDENCES:
                return [] if detector.coincidences is None else [detector.coincidences]
            case DetectorPart.LED:
                return [] if detector.led is None else [detector.led]


@dataclass(frozen=True)
class DataTypes:
    """The data types of one plugin.

    `module` contains a function with the name of the first data type, which takes the part of the
    detector and returns the plugin.
    """

    names: tuple[str, ...]
    part: DetectorPart
    module: str

    def names_for(self, part: Any) -> list[str]:
        """Return the names of the data types for a part of a detector."""
        if isinstance(part, Detector):
            ends = [*(digitizer.name for digitizer in part.digitizers), DEAD_TIME]
            return [f"{name}_{end}" for name in self.names for end in ends]
        end = part.suffix if isinstance(part, Signals) else ""
        return [f"{name}{end}" for name in self.names]

    def could_be(self, name: str) -> bool:
        """Return whether some detector could have a data type with this name."""
        end = {DetectorPart.DIGITIZERS: f"_{_NAME}", DetectorPart.SIGNALS: f"(_{_NAME})?"}.get(
            self.part, ""
        )
        return re.fullmatch(f"({'|'.join(self.names)}){end}", name) is not None


TABLE = (
    DataTypes(("raw_records",), DetectorPart.DIGITIZERS, "raw_records"),
    DataTypes(("records", "pulse_counts"), DetectorPart.SIGNALS, "records"),
    DataTypes(("peaks",), DetectorPart.SIGNALS, "peaks"),
    DataTypes(("peak_basics",), DetectorPart.SIGNALS, "peaks"),
    DataTypes(("raw_records",), DetectorPart.TPC, "raw_records_of_tpc"),
    DataTypes(("peak_positions",), DetectorPart.TPC, "peak_positions"),
    DataTypes(("events",), DetectorPart.TPC, "events"),
    DataTypes(("event_basics",), DetectorPart.TPC, "event_basics"),
    DataTypes(("event_positions",), DetectorPart.TPC, "event_positions"),
    DataTypes(("corrected_areas",), DetectorPart.TPC, "corrected_areas"),
    DataTypes(("event_info",), DetectorPart.TPC, "corrected_areas"),
    DataTypes(
        ("event_area_per_channel", "event_n_channel"), DetectorPart.TPC, "event_area_per_channel"
    ),
    DataTypes(("event_waveform",), DetectorPart.TPC, "event_waveform"),
    DataTypes(("peak_coincidences",), DetectorPart.COINCIDENCES, "coincidences"),
    DataTypes(("event_coincidences",), DetectorPart.COINCIDENCES, "coincidences"),
    DataTypes(("records_led",), DetectorPart.LED, "led"),
    DataTypes(("led_calibration",), DetectorPart.LED, "led"),
)
"""Each entry follows those on which it depends."""


def made_for(detector: Detector) -> Iterator[tuple[DataTypes, Any]]:
    """Yield each plugin that a detector needs: its entry and the part for which it is made."""
    for entry in TABLE:
        for part in entry.part.of(detector):
            yield entry, part


def of(detector: Detector) -> tuple[str, ...]:
    """Return the names of all data types of a detector."""
    return tuple(name for entry, part in made_for(detector) for name in entry.names_for(part))


def exists(name: str) -> bool:
    """Return whether some detector file could define a data type with this name."""
    return any(entry.could_be(name) for entry in TABLE)
