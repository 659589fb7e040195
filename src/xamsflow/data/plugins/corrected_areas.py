"""Corrected areas: S1 and S2 areas independent of the position; and all properties of an event.

A map of the relative light of S1s has the keys ``r_edges`` and ``z_edges`` (mm, ascending; z is 0
at the gate and negative below) and ``hist_ratio``, a value per bin, r first. Its scale does not
matter: it is divided by its mean over the volume. Between bin centers, values are interpolated.
"""

from dataclasses import dataclass
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
        ("s1_map", tpc.s1_map, "Relative light of S1s by r and z, or None"),
    )

    class CorrectedAreas(_CorrectedAreas):
        takes_config = options(settings)

    return CorrectedAreas


class _CorrectedAreas(strax.Plugin):  # type: ignore[misc]
    """S2s are corrected for electrons lost during drift, S1s for light by the event's position."""

    __version__ = "2.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "event_positions")
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
        found = corrections.of_option(self.config["s1_map"], run)
        self.s1_map = None if found is None else LightMap.of(found, f"S1 map of run {run:06d}")

    def compute(self, events: Array) -> Array:
        """Return corrected areas; NaN if an event lacks a peak, a drift time or a position."""
        result: Array = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        relative = np.ones(len(events))
        if self.s1_map is not None:
            relative = self.s1_map(events["r"], events["z"])
        result["cs1"] = events["s1_area"] / relative
        result["alt_cs1"] = events["alt_s1_area"] / relative
        result["cs2"] = events["s2_area"] * self._loss(events["drift_time"])
        alternative = events["alt_s2_interaction_drift_time"]
        result["alt_cs2"] = events["alt_s2_area"] * self._loss(alternative)
        return result

    def _loss(self, drift_time: Array) -> Array:
        if self.lifetime is None:
            return np.ones(len(drift_time))
        factor: Array = np.exp(drift_time.astype(np.float64) / self.lifetime)
        return factor


@dataclass(frozen=True)
class LightMap:
    """The light of S1s at bin centers `r` and `z` (mm), relative to its mean over the volume."""

    r: Array
    z: Array
    relative: Array

    @classmethod
    def of(cls, found: Any, what: str) -> "LightMap":
        """Return the map of a correction file; raise ConfigurationError if it is none."""
        try:
            r, z, light = (
                np.array(found[key], np.float64) for key in ("r_edges", "z_edges", "hist_ratio")
            )
            is_map = light.shape == (len(r) - 1, len(z) - 1) and light.size > 0
            is_map = is_map and bool((np.diff(r) > 0).all() and (np.diff(z) > 0).all())
            is_map = is_map and bool(np.isfinite(light).all() and (light > 0).all() and r[0] >= 0)
        except (KeyError, TypeError, ValueError):
            is_map = False
        if not is_map:
            raise ConfigurationError(
                f"{what} is not a map",
                "give 'r_edges' and 'z_edges' (mm, ascending) and 'hist_ratio' (above 0), a value "
                "per bin, r first",
            )
        volume = np.outer(np.diff(r**2), np.diff(z))
        mean = np.average(light, weights=volume)
        return cls((r[1:] + r[:-1]) / 2, (z[1:] + z[:-1]) / 2, light / mean)

    def __call__(self, r: Array, z: Array) -> Array:
        """Return the relative light at positions; that of the nearest one outside the map."""
        (r_low, r_high, r_part), (z_low, z_high, z_part) = _between(r, self.r), _between(z, self.z)
        nearer = self.relative[r_low, z_low] * (1 - z_part) + self.relative[r_low, z_high] * z_part
        further = self.relative[r_high, z_low] * (1 - z_part)
        further += self.relative[r_high, z_high] * z_part
        light: Array = nearer * (1 - r_part) + further * r_part
        return light


def _between(value: Array, centers: Array) -> tuple[Array, Array, Array]:
    """Return the indices of the centers on both sides, and the part of the way between them."""
    place = np.interp(value, centers, np.arange(len(centers)))
    low = np.nan_to_num(place).astype(np.int64)
    return low, np.minimum(low + 1, len(centers) - 1), place - low


def event_info(tpc: Tpc) -> type[Any]:  # noqa: ARG001 - plugins are made for a part of a detector
    """Return the plugin that provides ``event_info``."""
    return EventInfo


class EventInfo(strax.MergeOnlyPlugin):  # type: ignore[misc]
    """All properties of an event in one row."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "event_positions", "corrected_areas")
    provides = "event_info"
    save_when = strax.SaveWhen.ALWAYS
