"""Peak positions: the centroid of light on the channels with known positions."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]


def peak_positions(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``peak_positions``, for a TPC with known positions."""
    places = [tpc.signals.channels.index(channel) for channel, _, _ in tpc.positions]
    settings = (
        ("position_places", places, "Indices in area_per_channel with a known position"),
        ("position_x", [x for _, x, _ in tpc.positions], "x of these channels, mm"),
        ("position_y", [y for _, _, y in tpc.positions], "y of these channels, mm"),
    )

    class PeakPositions(_PeakPositions):
        takes_config = options(settings)

    return PeakPositions


class _PeakPositions(strax.Plugin):  # type: ignore[misc]
    """A centroid is biased towards the center; it gives only the order of positions."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "peaks"
    provides = "peak_positions"
    data_kind = "peaks"
    dtype = (
        *strax.time_fields,
        (("Centroid x of the light [mm], NaN without light", "x"), np.float32),
        (("Centroid y of the light [mm], NaN without light", "y"), np.float32),
    )

    def compute(self, peaks: Array) -> Array:
        """Return the centroid of each peak."""
        light = peaks["area_per_channel"][:, self.config["position_places"]].clip(min=0)
        total = light.sum(axis=1)
        result: Array = np.zeros(len(peaks), self.dtype)
        result["time"], result["endtime"] = peaks["time"], strax.endtime(peaks)
        with np.errstate(invalid="ignore"):
            for axis in ("x", "y"):
                result[axis] = light @ np.array(self.config[f"position_{axis}"]) / total
        return result
