"""Peak classification: S1 or S2, by area and width."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.settings.detector import Classification

Array = npt.NDArray[Any]

UNKNOWN, S1, S2 = 0, 1, 2
"""Values of ``type``, with the usual meaning in strax."""

LIMITS = {
    "s1_min_area": "PE of the smallest S1",
    "s1_min_width": "ns of the central 50% of the narrowest S1",
    "s1_max_width": "ns of the central 50% of the widest S1",
    "s2_min_area": "PE of the smallest S2",
    "s2_min_width": "ns of the central 50% of the narrowest S2",
}
"""The meaning of the fields of a :class:`~xamsflow.settings.detector.Classification`."""


def classify(area: Array, width: Array, limits: Classification) -> Array:
    """Return the type of each peak; `area` is in PE, `width` of the central half in ns."""
    is_s1 = (area >= limits.s1_min_area) & (width >= limits.s1_min_width)
    is_s1 &= width <= limits.s1_max_width
    is_s2 = (area >= limits.s2_min_area) & (width >= limits.s2_min_width) & ~is_s1
    result: Array = np.select([is_s1, is_s2], [S1, S2], UNKNOWN).astype(np.int8)
    return result
