"""Matching of peaks and events to simulated signals.

Signals are the truth of a simulated run (``xamsflow.simulate.signals.signal_dtype``), peaks and
events have strax's usual fields. All times must count from the same moment, see :func:`since`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.signals import Signal

Array = NDArray[Any]

NONE = -1
"""Replaces an index if there is none."""

SAME_SIZE = 2.0
"""A peak that differs from a signal in size by more than this factor does not match the signal."""

SPLIT_OFF = 0.1
"""A second peak with at least this share of a signal's area is more than a straggling photon."""

ALONE_FOR = 1000
"""ns before and after a signal without other signals, for the signal to count as alone."""

NEGLIGIBLE = 0.02
"""Other signals up to this share of a signal's area are negligible."""


@dataclass(frozen=True)
class Matched:
    """Signals with their peaks.

    By signal: `peak` is the largest overlapping peak or NONE, `is_found` whether that peak is about
    as large as the signal, `n_peaks` the number of its peaks with a relevant area, `is_alone`
    whether there is no other relevant signal nearby. By peak: `signal` is the largest overlapping
    signal, or NONE.
    """

    signals: Array
    peaks: Array
    peak: Array
    is_found: Array
    n_peaks: Array
    is_alone: Array
    signal: Array

    def select(self, kind: Signal, min_area: float = 0.0, alone: bool = False) -> Array:
        """Return the indices of the signals of a kind; `min_area` is a true area, PE."""
        chosen = (self.signals["type"] == kind) & (self.signals["area"] >= min_area)
        if alone:
            chosen &= self.is_alone
        return np.flatnonzero(chosen)

    def found(self, kind: Signal, min_area: float = 0.0, alone: bool = False) -> Array:
        """Return the indices of the signals of a kind that have a peak."""
        chosen = self.select(kind, min_area, alone)
        return chosen[self.is_found[chosen]]


def since(start: int, intervals: Array) -> Array:
    """Return a copy of peaks or events with all times counted from `start`, ns."""
    result = intervals.copy()
    for name in result.dtype.names or ():
        is_integer = np.issubdtype(result[name].dtype, np.integer)  # others are time differences
        if is_integer and name.removeprefix("alt_").removeprefix("s1_").removeprefix("s2_") in (
            "time",
            "endtime",
            "center_time",
        ):
            result[name] -= start
    return result


def match(signals: Array, peaks: Array) -> Matched:
    """Find the peaks of all signals. `signals` and `peaks` are sorted; peaks do not overlap."""
    signal, peak = _overlapping(signals["time"], signals["endtime"] + 1, peaks)
    best_peak = _largest(signal, peak, peaks["area"], len(signals))
    best_signal = _largest(peak, signal, signals["area"], len(peaks))

    has_peak = best_peak != NONE
    ratio = np.zeros(len(signals))
    ratio[has_peak] = peaks["area"][best_peak[has_peak]] / signals["area"][has_peak]
    is_share = peaks["area"][peak] >= SPLIT_OFF * signals["area"][signal]
    is_own = best_signal[peak] == signal
    return Matched(
        signals=signals,
        peaks=peaks,
        peak=best_peak,
        is_found=(ratio >= 1 / SAME_SIZE) & (ratio <= SAME_SIZE),
        n_peaks=np.bincount(signal[is_share & is_own], minlength=len(signals)),
        is_alone=_alone(signals),
        signal=best_signal,
    )


@dataclass(frozen=True)
class MatchedEvents:
    """Interactions whose S1 and S2 both have a peak, and the events that contain them.

    `s1` and `s2` index the signals. `event` is the event whose main S2 is the peak of that S2, or
    NONE; `is_right` is True if the event's main S1 is also correct.
    """

    s1: Array
    s2: Array
    event: Array
    is_right: Array


def match_events(matched: Matched, events: Array, min_s1: float, min_s2: float) -> MatchedEvents:
    """Find the events of all interactions with areas above the limits (PE).

    `events` are event_basics; `s1_time` and `s2_time` identify the main signals.
    """
    s1, s2 = matched.found(Signal.S1, min_s1), matched.found(Signal.S2, min_s2)
    _, of_s1, of_s2 = np.intersect1d(
        matched.signals["event"][s1], matched.signals["event"][s2], return_indices=True
    )
    s1, s2 = s1[of_s1], s2[of_s2]
    s1_time, s2_time = (matched.peaks["time"][matched.peak[one]] for one in (s1, s2))
    order = np.argsort(events["s2_time"], kind="stable")
    place = np.searchsorted(events["s2_time"][order], s2_time)
    event = np.full(len(s2), NONE)
    inside = place < len(events)
    event[inside] = order[place[inside]]
    if len(events):
        event[events["s2_time"][event] != s2_time] = NONE
    is_right = event != NONE
    is_right[is_right] = events["s1_time"][event[is_right]] == s1_time[is_right]
    return MatchedEvents(s1, s2, event, is_right)


def _overlapping(start: Array, end: Array, peaks: Array) -> tuple[Array, Array]:
    """Return all overlapping pairs of an interval and a peak, by interval and peak."""
    first = np.searchsorted(peaks["endtime"], start, side="right")
    beyond = np.searchsorted(peaks["time"], end, side="left")
    n = np.maximum(beyond - first, 0)
    interval = np.repeat(np.arange(len(start)), n)
    peak = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    return interval, peak


def _largest(owner: Array, item: Array, size: Array, n_owners: int) -> Array:
    """Return the largest item of each owner, or NONE."""
    order = np.lexsort((size[item], owner))
    largest = np.full(n_owners, NONE)
    largest[owner[order]] = item[order]  # the last assignment wins
    return largest


def _alone(signals: Array) -> Array:
    """Return which signals have no other relevant signal nearby."""
    start = signals["time"] - ALONE_FOR
    end = signals["endtime"] + ALONE_FOR
    longest = int((signals["endtime"] - signals["time"]).max()) if len(signals) else 0
    first = np.searchsorted(signals["time"], start - longest)
    beyond = np.searchsorted(signals["time"], end, side="right")
    n = beyond - first
    one = np.repeat(np.arange(len(signals)), n)
    other = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    is_company = (
        (one != other)
        & (signals["endtime"][other] >= start[one])
        & (signals["area"][other] > NEGLIGIBLE * signals["area"][one])
    )
    alone: Array = np.bincount(one[is_company], minlength=len(signals)) == 0
    return alone
