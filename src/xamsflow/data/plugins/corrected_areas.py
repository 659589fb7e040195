"""Corrected areas: S1 and S2 areas independent of the position; and all properties of an event."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.base.errors import ConfigurationError
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings import corrections
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]


def corrected_areas(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``corrected_areas``."""
    settings = (
        ("electron_lifetime", tpc.electron_lifetime, "ns, or None for no correction"),
        ("s1_map", tpc.s1_map, "Relative S1 area by depth, or None for no correction"),
    )

    class CorrectedAreas(_CorrectedAreas):
        takes_config = options(settings)

    return CorrectedAreas


class _CorrectedAreas(strax.Plugin):  # type: ignore[misc]
    """S2s are corrected for electrons lost during drift, S1s for light by the event's position."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "event_basics"
    provides = "corrected_areas"
    data_kind = "events"
    dtype = (
        *strax.time_fields,
        (("Main S1: corrected area [PE]", "cs1"), np.float32),
        (("Alternative S1: corrected area [PE]", "alt_cs1"), np.float32),
        (("Main S2: corrected area [PE]", "cs2"), np.float32),
        (("Alternative S2: corrected area [PE]", "alt_cs2"), np.float32),
    )

    def setup(self) -> None:
        """Look up the correction values for the run."""
        run = int(self.run_id)
        self.lifetime = corrections.of_option(self.config["electron_lifetime"], run)
        self.s1_map = corrections.of_option(self.config["s1_map"], run)
        if self.s1_map is not None:
            _check_map(self.s1_map, f"S1 map of run {run:06d}")

    def compute(self, events: Array) -> Array:
        """Return corrected areas; NaN if an event lacks a peak or a drift time."""
        result: Array = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        drift_time = events["drift_time"].astype(np.float64)
        relative = np.ones(len(events))
        if self.s1_map is not None:
            relative = np.interp(events["z"], self.s1_map["z"], self.s1_map["relative_area"])
        result["cs1"] = events["s1_area"] / relative
        result["alt_cs1"] = events["alt_s1_area"] / relative
        result["cs2"] = events["s2_area"] * self._loss(drift_time)
        result["alt_cs2"] = events["alt_s2_area"] * self._loss(drift_time + events["alt_s2_delay"])
        return result

    def _loss(self, drift_time: Array) -> Array:
        if self.lifetime is None:
            return np.ones(len(drift_time))
        factor: Array = np.exp(drift_time / self.lifetime)
        return factor


def _check_map(found: Any, what: str) -> None:
    try:
        z, relative = (np.array(found[key], np.float64) for key in ("z", "relative_area"))
        is_map = z.ndim == 1 and z.shape == relative.shape and len(z) > 1
        is_map = is_map and bool((np.diff(z) > 0).all() and (relative > 0).all())
    except (KeyError, TypeError, ValueError):
        is_map = False
    if not is_map:
        raise ConfigurationError(
            f"{what} is not a map",
            "give 'z' (mm, ascending) and 'relative_area' (above 0) of equal length",
        )


def event_info(tpc: Tpc) -> type[Any]:  # noqa: ARG001 - plugins are made for a part of a detector
    """Return the plugin that provides ``event_info``."""
    return EventInfo


class EventInfo(strax.MergeOnlyPlugin):  # type: ignore[misc]
    """All properties of an event in one row."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "corrected_areas")
    provides = "event_info"
    save_when = strax.SaveWhen.ALWAYS
