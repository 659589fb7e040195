"""Peak positions in the plane of the sensors, from the pattern of light.

The center of gravity (``x_cgr``, ``y_cgr``) is made from what is known of the detector:

- of four channels on top whose positions are unknown, the shares of the array's light in its first
  and second channel (x) and in its first and third one (y), between 0 and 1;
- of channels with known positions, the centroid of their light, mm.

Polynomials turn shares into mm (``x_corr``, ``y_corr``). XAMS's are those that amstrax uses.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.base.errors import ConfigurationError
from xamsflow.data.plugins.settings import CHUNK_MB, options, top_places
from xamsflow.settings import corrections
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

ALGORITHMS = ("cgr", "corr")
"""The center of gravity, and its correction by polynomials."""

TOGETHER = {"x": (0, 1), "y": (0, 2)}
"""Channels of the top array, by index, whose share of its light grows with x and y."""


def peak_positions(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``peak_positions``."""
    channels = tpc.signals.channels
    settings = (
        top_places(tpc.signals),
        ("position_polynomials", tpc.position_polynomials, "Coefficients for x and y, or None"),
        ("position_places", [channels.index(c) for c, _, _ in tpc.positions], "Channels, by index"),
        ("position_x", [x for _, x, _ in tpc.positions], "x of these channels, mm"),
        ("position_y", [y for _, _, y in tpc.positions], "y of these channels, mm"),
    )

    class PeakPositions(_PeakPositions):
        takes_config = options(settings)

    return PeakPositions


class _PeakPositions(strax.Plugin):  # type: ignore[misc]
    """A centroid is biased towards the center; it gives only the order of positions."""

    __version__ = "2.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "peaks"
    provides = "peak_positions"
    data_kind = "peaks"
    dtype = (
        *strax.time_fields,
        (("Position x [mm], NaN if unknown", "x"), np.float32),
        (("Position y [mm], NaN if unknown", "y"), np.float32),
        (("Distance from the axis [mm], NaN if unknown", "r"), np.float32),
        (("Center of gravity of the light: x [mm, or share of the light]", "x_cgr"), np.float32),
        (("Center of gravity of the light: y [mm, or share of the light]", "y_cgr"), np.float32),
        (("Position x from polynomials [mm], NaN without", "x_corr"), np.float32),
        (("Position y from polynomials [mm], NaN without", "y_corr"), np.float32),
    )

    def setup(self) -> None:
        """Look up the polynomials for the run."""
        run = int(self.run_id)
        found = corrections.of_option(self.config["position_polynomials"], run)
        if found is not None:
            _check_polynomials(found, f"position_polynomials of run {run:06d}")
        self.polynomials = found

    def compute(self, peaks: Array) -> Array:
        """Return the position of each peak."""
        result: Array = np.zeros(len(peaks), self.dtype)
        strax.set_nan_defaults(result)
        result["time"], result["endtime"] = peaks["time"], strax.endtime(peaks)
        light = peaks["area_per_channel"].clip(min=0)
        for i, axis in enumerate(("x", "y")):
            if self.polynomials is not None:
                on_top = light[:, self.config["top_places"]]
                result[f"{axis}_cgr"] = _share(on_top[:, TOGETHER[axis]].sum(axis=1), on_top)
                corrected = np.polyval(self.polynomials[i], result[f"{axis}_cgr"])
                result[f"{axis}_corr"] = result[axis] = corrected
            elif self.config["position_places"]:
                known = light[:, self.config["position_places"]]
                moment = known @ np.array(self.config[f"position_{axis}"])
                result[f"{axis}_cgr"] = result[axis] = _share(moment, known)
        result["r"] = np.hypot(result["x"], result["y"])
        return result


def _share(part: Array, light: Array) -> Array:
    """Return parts of each peak's light relative to all of it, NaN without light."""
    with np.errstate(invalid="ignore"):
        share: Array = part / light.sum(axis=1)
    return share


def _check_polynomials(found: Any, what: str) -> None:
    try:
        is_allowed = len(found) == len(TOGETHER) and all(
            np.isfinite(np.array(one, np.float64)).all() and len(one) > 0 for one in found
        )
    except (TypeError, ValueError):
        is_allowed = False
    if not is_allowed:
        raise ConfigurationError(
            f"{what} are not two polynomials",
            "give two lists of coefficients, for x and for y, the highest power first",
        )
