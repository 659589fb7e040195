"""Splitting of peaks at deep local minima of their waveforms."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.compiling import compiled

Array = npt.NDArray[Any]


@compiled
def cuts(waveforms: Array, lengths: Array, min_height: float, min_ratio: float) -> Array:
    """Return for each sample of each waveform whether to cut the waveform there.

    A waveform is cut at its lowest sample between two maxima if both exceed that sample by more
    than `min_height` and by more than a factor of `min_ratio`. Heights are means over a sample and
    its two neighbors: single samples of a large S2 fluctuate so much that some peaks would be cut
    by chance. Only the first ``lengths`` samples count.

    Apart from this, the criterion is strax's local minimum. strax's splitter is compiled again in
    each process, which takes longer than processing a short run.
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
