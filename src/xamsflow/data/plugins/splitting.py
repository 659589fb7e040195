"""Where to split a peak: at a deep local minimum of its waveform."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@numba.njit(nogil=True, cache=True)
def cuts(waveforms: Array, lengths: Array, min_height: float, min_ratio: float) -> Array:
    """Return for each sample of each waveform whether to cut the waveform there.

    A waveform is cut at its lowest sample between two maxima if both are more than `min_height`
    above it and more than `min_ratio` times as high. Heights are means of a sample and its two
    neighbours: single samples of a large S2 fluctuate so much that some would be cut by chance.
    Only the first ``lengths`` samples count.

    Otherwise the criterion is strax's local minimum. Each process compiles strax's own splitter
    again, which takes longer than processing a short run.
    """
    cut = np.zeros(waveforms.shape, np.bool_)
    for i in range(len(waveforms)):
        maximum = -np.inf
        minimum = np.inf
        minimum_at = 0
        for sample in range(lengths[i]):
            first, last = max(0, sample - 1), min(lengths[i], sample + 2)
            height = waveforms[i, first:last].mean()
            if height < minimum:
                minimum, minimum_at = height, sample
            if min(maximum, height) > max(minimum + min_height, minimum * min_ratio):
                cut[i, minimum_at] = True
                maximum, minimum = height, np.inf
            elif height > maximum:
                maximum, minimum = height, np.inf
    return cut
