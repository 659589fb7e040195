"""Hits and what belongs to them: samples over threshold, with some before and behind.

A *hit* is an uninterrupted range of samples over threshold within a record. A *hitlet* is the hit
with its extension on both sides, which may reach into the neighbouring records of its pulse but
not beyond the pulse. Hitlets of a channel never overlap: each sample is integrated once.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import strax

Array = npt.NDArray[Any]

NO_RECORD = -1
"""strax's index of a neighbour that is not there."""


def find_hitlets(
    records: Array, threshold: float, extension: tuple[int, int], links: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Return hits in the order of their records, and the hitlets around them in the same order.

    Records are sorted by time, `extension` is in samples before and behind a hit, `links` are the
    records' neighbours as strax.record_links finds them. ``left_integration`` and
    ``right_integration`` are a hitlet's first sample and the one beyond, counted in its record.

    Hits have the values that strax.find_hits and strax.find_hit_integration_bounds give them; here
    they take a third of the time, which is most of the time of records and peaks.
    """
    data, length = records["data"], records["length"]
    hits: Array = np.zeros(_count_hits(data, length, threshold), strax.hit_dtype)
    if not len(hits):
        return hits, hits.copy()
    _fill_hits(hits, records, data, length, threshold)
    hitlets = hits.copy()
    _set_bounds(hits, hitlets, records, int(hits["channel"].max()) + 1, extension, *links)
    return hits, hitlets


@numba.njit(nogil=True, cache=True)
def _count_hits(data: Array, length: Array, threshold: float) -> int:
    n_hits = 0
    for i in range(len(data)):
        inside = False
        for sample in range(length[i]):
            over = data[i, sample] >= threshold
            if over and not inside:
                n_hits += 1
            inside = over
    return n_hits


@numba.njit(nogil=True, cache=True)
def _fill_hits(hits: Array, records: Array, data: Array, length: Array, threshold: float) -> None:
    found = 0
    for i in range(len(data)):
        sample = 0
        while sample < length[i]:
            if data[i, sample] < threshold:
                sample += 1
                continue
            first = highest = sample
            area = 0
            while sample < length[i] and data[i, sample] >= threshold:
                area += data[i, sample]
                if data[i, sample] > data[i, highest]:
                    highest = sample
                sample += 1
            record, hit = records[i], hits[found]
            # strax's data lack the part of the baseline behind the decimal point.
            part = record["baseline"] % 1
            hit["time"] = record["time"] + first * record["dt"]
            hit["length"] = sample - first
            hit["dt"] = record["dt"]
            hit["channel"] = record["channel"]
            hit["area"] = area + hit["length"] * part
            hit["left"] = first
            hit["right"] = sample
            hit["record_i"] = i
            hit["threshold"] = threshold
            hit["height"] = data[i, highest] + part
            hit["max_time"] = record["time"] + highest * record["dt"]
            found += 1


@numba.njit(nogil=True, cache=True)
def _set_bounds(  # noqa: PLR0917 - numba's functions are called by position
    hits: Array,
    hitlets: Array,
    records: Array,
    n_channels: int,
    extension: tuple[int, int],
    before: Array,
    after: Array,
) -> None:
    """Extend hits within their pulses; between two hits, the first one's extension goes first."""
    n_samples = len(records[0]["data"])
    begin = np.empty(len(hits), np.int64)
    end = np.empty(len(hits), np.int64)
    last_of_channel = np.full(n_channels, -1)
    for i in range(len(hits)):
        hit = hits[i]
        begin[i] = hit["time"] - extension[0] * hit["dt"]
        end[i] = hit["time"] + (hit["length"] + extension[1]) * np.int64(hit["dt"])
        last = last_of_channel[hit["channel"]]
        if last >= 0:
            end[last] = min(end[last], hit["time"])
            begin[i] = max(begin[i], end[last])
        last_of_channel[hit["channel"]] = i
    for i in range(len(hits)):
        hit, hitlet = hits[i], hitlets[i]
        at = hit["record_i"]
        record = records[at]
        start, dt = record["time"], record["dt"]
        first = 0 if before[at] == NO_RECORD else -n_samples
        beyond = record["length"]
        if after[at] != NO_RECORD:
            beyond = n_samples + records[after[at]]["length"]
        left = max((begin[i] - start) // dt, first)
        right = min((end[i] - start) // dt, beyond)
        hit["left_integration"] = hitlet["left_integration"] = left
        hit["right_integration"] = hitlet["right_integration"] = right
        hitlet["time"] = start + left * dt
        hitlet["length"] = right - left


@numba.njit(nogil=True, cache=True)
def keep_hitlets(records: Array, hitlets: Array, before: Array, after: Array) -> None:
    """Set samples outside of hitlets to 0, and each record's area to that of what it keeps.

    The area is in ADC counts x samples. `before` and `after` are the records' neighbours as
    strax.record_links finds them.
    """
    n_samples = records["data"].shape[1]
    area = np.zeros(len(records))
    kept = np.zeros(records["data"].shape, np.int16)
    for hitlet in hitlets:
        record = hitlet["record_i"]
        for side in range(-1, 2):
            if side < 0:
                touched = before[record]
            elif side > 0:
                touched = after[record]
            else:
                touched = record
            if touched == NO_RECORD:
                continue
            first = max(hitlet["left_integration"] - side * n_samples, 0)
            beyond = min(hitlet["right_integration"] - side * n_samples, n_samples)
            # strax's data lack the part of the baseline behind the decimal point.
            part = records[touched]["baseline"] % 1
            for sample in range(first, beyond):
                kept[touched, sample] = records[touched]["data"][sample]
                area[touched] += kept[touched, sample] + part
    for i in range(len(records)):
        records[i]["data"][:] = kept[i]
        records[i]["area"] = round(area[i])
