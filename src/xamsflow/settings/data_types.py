"""The data types: the one table of what is made of a run, and for which detectors.

A new data type is an entry here, and the function that the entry names in
``xamsflow/data/plugins/``. Nothing here imports strax: the workflow is parsed with these names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from xamsflow.settings.detector import DEAD_TIME, Detector, Signals

_NAME = "[a-z][a-z0-9]*"
"""What digitizers and groups of signals are called."""


class DetectorPart(Enum):
    """The part of a detector that a data type is made for."""

    DIGITIZERS = auto()
    """All digitizers together: a data type for each, and one for the dead time."""
    SIGNALS = auto()
    """The TPC's signals, and each other group of signals: a data type for each."""
    TPC = auto()
    POSITIONS = auto()
    """A TPC whose channels have positions."""
    LED = auto()

    def of(self, detector: Detector) -> list[Any]:
        """Return the parts of this kind that a detector has."""
        tpc = [] if detector.tpc is None else [detector.tpc]
        match self:
            case DetectorPart.DIGITIZERS:
                return [detector]
            case DetectorPart.SIGNALS:
                return [*(one.signals for one in tpc), *detector.signals]
            case DetectorPart.TPC:
                return tpc
            case DetectorPart.POSITIONS:
                return [one for one in tpc if one.positions]
            case DetectorPart.LED:
                return [] if detector.led is None else [detector.led]


@dataclass(frozen=True)
class DataTypes:
    """The data types that one plugin provides.

    `module` holds a function with the name of the first data type, which takes the part of the
    detector and returns the plugin.
    """

    names: tuple[str, ...]
    part: DetectorPart
    module: str

    def names_for(self, part: Any) -> list[str]:
        """Return the names of the data types that are made for a part of a detector."""
        if isinstance(part, Detector):
            ends = [*(digitizer.name for digitizer in part.digitizers), DEAD_TIME]
            return [f"{name}_{end}" for name in self.names for end in ends]
        end = part.suffix if isinstance(part, Signals) else ""
        return [f"{name}{end}" for name in self.names]

    def could_be(self, name: str) -> bool:
        """Return whether some detector could have a data type of this name."""
        end = {DetectorPart.DIGITIZERS: f"_{_NAME}", DetectorPart.SIGNALS: f"(_{_NAME})?"}.get(
            self.part, ""
        )
        return re.fullmatch(f"({'|'.join(self.names)}){end}", name) is not None


TABLE = (
    DataTypes(("raw_records",), DetectorPart.DIGITIZERS, "raw_records"),
    DataTypes(("records", "pulse_counts"), DetectorPart.SIGNALS, "records"),
    DataTypes(("peaks",), DetectorPart.SIGNALS, "peaks"),
    DataTypes(("peak_basics",), DetectorPart.SIGNALS, "peaks"),
    DataTypes(("peak_classification",), DetectorPart.TPC, "peak_classification"),
    DataTypes(("peak_positions",), DetectorPart.POSITIONS, "peak_positions"),
    DataTypes(("events",), DetectorPart.TPC, "events"),
    DataTypes(("event_basics",), DetectorPart.TPC, "events"),
    DataTypes(("corrected_areas",), DetectorPart.TPC, "corrected_areas"),
    DataTypes(("event_info",), DetectorPart.TPC, "corrected_areas"),
    DataTypes(("records_led",), DetectorPart.LED, "led"),
    DataTypes(("led_calibration",), DetectorPart.LED, "led"),
)
"""Each entry after those below it."""


def made_for(detector: Detector) -> Iterator[tuple[DataTypes, Any]]:
    """Yield each plugin that a detector needs, as its entry and the part that it is made for."""
    for entry in TABLE:
        for part in entry.part.of(detector):
            yield entry, part


def of(detector: Detector) -> tuple[str, ...]:
    """Return the names of all data types of a detector."""
    return tuple(name for entry, part in made_for(detector) for name in entry.names_for(part))


def exists(name: str) -> bool:
    """Return whether some detector file could give a data type of this name."""
    return any(entry.could_be(name) for entry in TABLE)
