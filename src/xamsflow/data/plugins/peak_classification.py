"""Peak classification: S1 or S2, by area and width."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

UNKNOWN, S1, S2 = 0, 1, 2
"""Values of ``type``, with the usual meaning in strax."""


def peak_classification(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``peak_classification``."""
    settings = (
        ("s1_min_area", tpc.s1_min_area, "PE of the smallest S1"),
        ("s1_min_width", tpc.s1_min_width, "ns of the central 50% of the narrowest S1"),
        ("s1_max_width", tpc.s1_max_width, "ns of the central 50% of the widest S1"),
        ("s2_min_area", tpc.s2_min_area, "PE of the smallest S2"),
        ("s2_min_width", tpc.s2_min_width, "ns of the central 50% of the narrowest S2"),
    )

    class PeakClassification(_PeakClassification):
        takes_config = options(settings)

    return PeakClassification


class _PeakClassification(strax.Plugin):  # type: ignore[misc]
    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "peak_basics"
    provides = "peak_classification"
    data_kind = "peaks"
    dtype = (
        *strax.time_fields,
        (("0: unknown, 1: S1, 2: S2", "type"), np.int8),
    )

    def compute(self, peaks: Array) -> Array:
        """Return the type of each peak."""
        config = self.config
        area, width = peaks["area"], peaks["range_50p_area"]
        is_s1 = (area >= config["s1_min_area"]) & (width >= config["s1_min_width"])
        is_s1 &= width <= config["s1_max_width"]
        is_s2 = (area >= config["s2_min_area"]) & (width >= config["s2_min_width"]) & ~is_s1
        result: Array = np.zeros(len(peaks), self.dtype)
        result["time"], result["endtime"] = peaks["time"], strax.endtime(peaks)
        result["type"] = np.select([is_s1, is_s2], [S1, S2], UNKNOWN)
        return result
