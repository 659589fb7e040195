"""Event positions: where the interaction of the main peaks took place, and of the alternatives.

An interaction has the x and y of its S2, so that of the alternative S1 differs only in depth.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

S2S = {"": ("Main S1 and S2", "s2"), "alt_s2_": ("Main S1 and alternative S2", "alt_s2")}
DRIFT_TIMES = {
    "": ("Main S1 and S2", "drift_time"),
    "alt_s1_": ("Alternative S1 and main S2", "alt_s1_interaction_drift_time"),
    "alt_s2_": ("Main S1 and alternative S2", "alt_s2_interaction_drift_time"),
}
"""By prefix: the peaks of an interaction, and its S2 or the field of its drift time."""


def event_positions(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``event_positions``."""
    settings = (
        ("drift_velocity", tpc.drift_velocity, "Velocity of electrons in liquid, mm per ns"),
        ("gate_time", tpc.gate_time, "Drift time from the gate, ns"),
    )

    class EventPositions(_EventPositions):
        takes_config = options(settings)

    return EventPositions


class _EventPositions(strax.Plugin):  # type: ignore[misc]
    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "event_basics"
    provides = "event_positions"
    data_kind = "events"

    def infer_dtype(self) -> list[Any]:
        """Return the coordinates of each pair of S1 and S2."""
        fields: list[Any] = [*strax.time_fields]
        for prefix, (words, _) in S2S.items():
            for name, text in (
                ("x", "x [mm], NaN if unknown"),
                ("y", "y [mm], NaN if unknown"),
                ("r", "distance from the axis [mm], NaN if unknown"),
                ("theta", "angle around the axis [rad], NaN if unknown"),
            ):
                fields.append(((f"{words}: {text}", f"{prefix}{name}"), np.float32))
        for prefix, (words, _) in DRIFT_TIMES.items():
            text = f"{words}: depth below the gate, negative [mm]"
            fields.append(((text, f"{prefix}z"), np.float32))
        return fields

    def compute(self, events: Array) -> Array:
        """Return one row per event."""
        result: Array = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        for prefix, (_, s2) in S2S.items():
            for name in ("x", "y", "r"):
                result[f"{prefix}{name}"] = events[f"{s2}_{name}"]
            result[f"{prefix}theta"] = np.arctan2(events[f"{s2}_y"], events[f"{s2}_x"])
        for prefix, (_, drift_time) in DRIFT_TIMES.items():
            drifted = events[drift_time] - self.config["gate_time"]
            result[f"{prefix}z"] = -self.config["drift_velocity"] * drifted
        return result
