from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_made import DT, GAINS, random_records
from xamsflow.data.plugins import hits, waveforms

Array = npt.NDArray[Any]

EXTENSION = (3, 20)
THRESHOLD = 15
N_CHANNELS = len(GAINS)
GAIN = np.array(GAINS, np.float32)
DTYPE = strax.peak_dtype(n_channels=N_CHANNELS, n_sum_wv_samples=20, hits_timing=False)


def peaks_of(random: np.random.Generator, start: int, end: int) -> Array:
    """Return peaks at random times, some that touch, some without any light."""
    n_peaks = int(random.integers(1, 12))
    borders = start + DT * np.sort(random.choice((end - start) // DT, 2 * n_peaks, replace=False))
    peaks: Array = np.zeros(n_peaks, DTYPE)
    peaks["time"] = borders[::2]
    peaks["dt"] = DT
    peaks["length"] = (borders[1::2] - borders[::2]) // DT
    touches = np.append(random.random(n_peaks - 1) < 0.5, False)
    peaks["length"][touches] = (np.diff(peaks["time"])[touches[:-1]]) // DT
    return peaks


@settings(deadline=None)  # strax compiles
@given(seed=st.integers(0, 2**32), n_pulses=st.integers(1, 6), saturates=st.booleans())
def test_waveforms_are_those_of_strax(seed: int, n_pulses: int, saturates: bool) -> None:
    records = random_records(seed, n_pulses)
    if saturates:
        records["baseline"] = 30 + records["baseline"] % 1
    links = strax.record_links(records)
    hitlets = hits.hitlets_of(hits.find_hits(records, THRESHOLD, EXTENSION, links))
    random = np.random.default_rng(seed)
    peaks = peaks_of(random, records["time"][0] - 100, strax.endtime(records).max() + 100)
    expected = peaks.copy()
    waveforms.sum_waveforms(peaks, hitlets, records, links, GAIN)
    if len(hitlets):
        strax.sum_waveform(expected, hitlets, records, links, GAIN)
    for name in peaks.dtype.names:
        assert np.array_equal(peaks[name], expected[name]), name


@pytest.mark.parametrize("seed", range(20))
def test_hits_are_counted_in_the_peak_in_which_they_begin(seed: int) -> None:
    records = random_records(seed, 6)
    found = hits.find_hits(records, THRESHOLD, EXTENSION, strax.record_links(records))
    random = np.random.default_rng(seed)
    peaks = peaks_of(random, records["time"][0], int(strax.endtime(records).max()))
    peaks["data"] = random.random(peaks["data"].shape)
    before, behind = 100, 40
    ends = strax.endtime(peaks)
    waveforms.count_hits(peaks, ends, hits.hitlets_of(found), (before, behind))
    for peak, end in zip(peaks, ends, strict=True):
        mine = found[(found["time"] >= peak["time"]) & (found["time"] < end)]
        assert peak["n_hits"] == len(mine)
        since = mine["max_time"] - peak["time"] - np.argmax(peak["data"]) * DT
        close = mine[(since >= -before) & (since <= behind)]
        assert peak["tight_coincidence"] == len(np.unique(close["channel"]))
