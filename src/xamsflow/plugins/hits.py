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
    """Return hits, sorted by time, and the hitlets around them in the same order.

    `extension` is in samples before and behind a hit, `links` are the records' neighbours as
    strax.record_links finds them. ``left_integration`` and ``right_integration`` are a hitlet's
    first sample and the one beyond, counted in its record.
    """
    hits = strax.sort_by_time(strax.find_hits(records, min_amplitude=float(threshold)))
    if not len(hits):
        return hits, hits.copy()
    dt = int(records["dt"][0])
    strax.find_hit_integration_bounds(
        hits,
        np.zeros(0, strax.time_fields),
        records,
        (extension[0] * dt, extension[1] * dt),
        int(hits["channel"].max()) + 1,
        allow_bounds_beyond_records=True,
    )
    record = hits["record_i"]
    n_samples = records["data"].shape[1]
    before, after = links[0][record], links[1][record]
    first = np.where(before == NO_RECORD, 0, -n_samples)
    length = records["length"]
    beyond = np.where(after == NO_RECORD, length[record], n_samples + length[after])
    hits["left_integration"] = np.maximum(hits["left_integration"], first)
    hits["right_integration"] = np.minimum(hits["right_integration"], beyond)
    hitlets = hits.copy()
    hitlets["time"] = records["time"][record] + hits["left_integration"].astype(np.int64) * dt
    hitlets["length"] = hits["right_integration"] - hits["left_integration"]
    return hits, hitlets


@numba.njit(nogil=True, cache=True)
def integrate_hitlets(records: Array, hitlets: Array, before: Array, after: Array) -> None:
    """Set each record's area (ADC counts x samples) to that of its samples within hitlets.

    `before` and `after` are the records' neighbours as strax.record_links finds them.
    """
    area = np.zeros(len(records))
    for hitlet in hitlets:
        record = hitlet["record_i"]
        n_samples = len(records[record]["data"])
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
                area[touched] += records[touched]["data"][sample] + part
    for i in range(len(records)):
        records[i]["area"] = round(area[i])
