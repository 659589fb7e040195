"""Summed waveforms of peaks, and counts of their hits.

Both loops run over all hitlets; a large S2 has hundreds of them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.compiling import compiled

Array = npt.NDArray[Any]

ONE = np.uint64(1)
"""Unsigned sample index: for signed ones, numba checks whether they count from the end."""


@compiled
def sum_waveforms(
    peaks: Array, hitlets: Array, records: Array, links: tuple[Array, Array], gains: Array
) -> None:
    """Set the waveforms, areas and saturated channels of peaks from the hitlets that overlap them.

    Peaks and hitlets are sorted by time and have the same sample width; only the part of a hitlet
    within the peak counts. A waveform that is too long to store gets wider samples.

    The values are those of strax.sum_waveform, which passes through a buffer several times for each
    hit.
    """
    # Whole columns: it takes numba longer to make an array of each record's samples.
    columns = records["data"], records["length"], records["baseline"]
    waveform = np.zeros(peaks["length"].max() if len(peaks) else 0, np.float32)
    first = 0
    for i in range(len(peaks)):
        peak = peaks[i]
        start, length, dt = peak["time"], peak["length"], np.int64(peak["dt"])
        while first < len(hitlets) and _end(hitlets[first]) <= start:
            first += 1
        if first == len(hitlets):
            return
        waveform[:length] = 0
        peak["area"] = 0
        peak["area_per_channel"][:] = 0
        for j in range(first, len(hitlets)):
            place = (hitlets[j]["time"] - start) // dt
            if place >= length:
                break
            if place + hitlets[j]["length"] > 0:
                _add_hitlet(peak, waveform[:length], place, hitlets[j], columns, links, gains)
        peak["n_saturated_channels"] = peak["saturated_channel"].sum()
        _store(peak, waveform)


@compiled
def _end(hitlet: Any) -> int:
    end: int = hitlet["time"] + hitlet["length"] * np.int64(hitlet["dt"])
    return end


@compiled
def _add_hitlet(  # noqa: PLR0917 - numba's functions are called by position
    peak: Any,
    waveform: Array,
    place: int,
    hitlet: Any,
    columns: tuple[Array, Array, Array],
    links: tuple[Array, Array],
    gains: Array,
) -> None:
    """Add a hitlet whose first sample is at index `place` of the peak's waveform."""
    data, lengths, baselines = columns
    n_samples = data.shape[1]
    at, channel = np.int64(hitlet["record_i"]), hitlet["channel"]
    left, right = hitlet["left_integration"], hitlet["right_integration"]
    gain, area = gains[channel], np.float32(0)
    # No sample of a hitlet is higher: outside its hit, all are below the threshold.
    limit = max(hitlet["height"], hitlet["threshold"])
    for i, moved in ((links[0][at], n_samples), (at, 0), (links[1][at], -n_samples)):
        # The hitlet does not reach this record, or the pulse has no such record.
        if left + moved >= n_samples or right + moved <= 0 or i < 0:
            continue
        first, beyond = max(left + moved, 0), min(right + moved, lengths[i])
        if first >= beyond:
            continue
        baseline = baselines[i]
        if limit >= np.int16(baseline):
            for sample in range(first, beyond):
                if data[i, sample] >= np.int16(baseline):
                    peak["saturated_channel"][channel] = 1
        # strax subtracts only the integer part of the baseline.
        part = baseline - np.floor(baseline)
        offset = place - left - moved
        first = max(first, -offset)
        beyond = max(first, min(beyond, len(waveform) - offset))
        record, at_record, at_peak = np.uint64(i), np.uint64(first), np.uint64(first + offset)
        for _ in range(beyond - first):
            light = (np.float32(data[record, at_record]) + part) * gain
            waveform[at_peak] += light
            area += light
            at_record += ONE
            at_peak += ONE
    peak["area"] += area
    peak["area_per_channel"][channel] += area


@compiled
def _store(peak: Any, waveform: Array) -> None:
    """Store a waveform in the available samples, with fewer and wider ones if it is too long."""
    factor = max(1, -(-peak["length"] // len(peak["data"])))
    peak["length"] //= factor
    peak["dt"] *= factor
    for sample in range(peak["length"]):
        light = np.float32(0)
        for k in range(sample * factor, (sample + 1) * factor):
            light += waveform[k]
        peak["data"][sample] = light


@compiled
def count_hits(peaks: Array, ends: Array, hitlets: Array, coincidence: tuple[int, int]) -> None:
    """Count the hits of peaks, and the channels with a maximum close to the peak's maximum.

    Peaks are sorted by time, do not overlap and end at `ends`. A hit counts for the peak in which
    it begins, without its extension; as hitlets are nearly sorted by time, the search is fast.
    """
    if not len(peaks):
        return
    time = peaks["time"].copy()
    is_close = np.zeros(peaks["area_per_channel"].shape, np.bool_)
    n_hits = np.zeros(len(peaks), np.int64)
    maximum = np.zeros(len(peaks), np.int64)
    for i in range(len(peaks)):
        maximum[i] = time[i] + np.argmax(peaks[i]["data"]) * peaks[i]["dt"]
    at = 0
    for hit in hitlets:
        begin = hit["time"] + (hit["left"] - hit["left_integration"]) * np.int64(hit["dt"])
        while at + 1 < len(peaks) and time[at + 1] <= begin:
            at += 1
        while at > 0 and time[at] > begin:
            at -= 1
        if not time[at] <= begin < ends[at]:
            continue
        n_hits[at] += 1
        if -coincidence[0] <= hit["max_time"] - maximum[at] <= coincidence[1]:
            is_close[at, hit["channel"]] = True
    for i in range(len(peaks)):
        peaks[i]["n_hits"] = n_hits[i]
        peaks[i]["tight_coincidence"] = is_close[i].sum()
