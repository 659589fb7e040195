"""Event basics: an event's main and alternative S1 and S2."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.peak_classification import S1, S2
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

NO_PEAK = -1

PEAKS_OF_EVENT = {
    "s1": "Main S1",
    "alt_s1": "Alternative S1",
    "s2": "Main S2",
    "alt_s2": "Alternative S2",
}

PEAK_FIELDS = (
    (("start time since unix epoch [ns]", "time"), np.int64),
    (("end time since unix epoch [ns]", "endtime"), np.int64),
    (("center time since unix epoch [ns]", "center_time"), np.int64),
    (("median time of the area since the start of the peak [ns]", "median_time"), np.float32),
    (("area, uncorrected [PE]", "area"), np.float32),
    (("width, 50% area [ns]", "range_50p_area"), np.float32),
    (("width, 90% area [ns]", "range_90p_area"), np.float32),
    (("time between 10% and 50% of the area [ns]", "rise_time"), np.float32),
    (("fraction of area seen by the top array", "area_fraction_top"), np.float32),
    (("number of channels that contribute", "n_channels"), np.int16),
    (("channels whose maximum is close to the peak's", "tight_coincidence"), np.int16),
    (("channel that contributes most", "max_pmt"), np.int16),
    (("area of the channel that contributes most [PE]", "max_pmt_area"), np.float32),
    (("number of hits", "n_hits"), np.int32),
    (("number of channels that reach the ADC's limit", "n_saturated_channels"), np.int16),
    (("position x [mm], NaN if unknown", "x"), np.float32),
    (("position y [mm], NaN if unknown", "y"), np.float32),
    (("distance from the axis [mm], NaN if unknown", "r"), np.float32),
)
"""The peak fields that an event repeats."""

S2_FIELDS = (
    (("center of gravity x [mm, or share of the light]", "x_cgr"), np.float32),
    (("center of gravity y [mm, or share of the light]", "y_cgr"), np.float32),
    (("position x from polynomials [mm], NaN without", "x_corr"), np.float32),
    (("position y from polynomials [mm], NaN without", "y_corr"), np.float32),
)
"""The fields that it also repeats of S2s: their positions, by algorithm."""


def fields_of(name: str) -> tuple[Any, ...]:
    """Return the fields that an event repeats of its peak `name`, a key of PEAKS_OF_EVENT."""
    return PEAK_FIELDS + (S2_FIELDS if name.endswith("s2") else ())


def event_basics(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``event_basics``."""
    settings = (("max_drift_time", tpc.max_drift_time, "Drift time from the cathode, ns, or None"),)

    class EventBasics(_EventBasics):
        takes_config = options(settings)

    return EventBasics


class _EventBasics(strax.Plugin):  # type: ignore[misc]
    """The main S2 is the largest one of the event, the main S1 the largest one before it.

    The alternative S1 is the next largest one before the main S2, the alternative S2 the next
    largest one after the main S1. Peaks that would make the drift time longer than that from the
    cathode are not considered. A peak belongs to an event if it lies entirely within it.
    """

    __version__ = "2.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("events", "peak_basics", "peak_positions")
    provides = "event_basics"
    data_kind = "events"

    def infer_dtype(self) -> list[Any]:
        """Return the fields of an event, followed by those of its peaks."""
        fields: list[Any] = [
            *strax.time_fields,
            (("Number of the event in its run", "event_number"), np.int64),
            (("Number of peaks in the event", "n_peaks"), np.int32),
            (("Time from main S1 to main S2, center to center [ns]", "drift_time"), np.float32),
            (
                ("Area of all peaks that start before the main S2 [PE]", "area_before_main_s2"),
                np.float32,
            ),
            (
                ("Area of the largest S2 before the main S2, or 0 [PE]", "large_s2_before_main_s2"),
                np.float32,
            ),
        ]
        for name, words in PEAKS_OF_EVENT.items():
            fields.append(
                ((f"{words}: index of the peak in the event, or -1", f"{name}_index"), np.int32)
            )
            fields += [
                ((f"{words}: {text}", f"{name}_{field}"), kind)
                for (text, field), kind in fields_of(name)
            ]
        for number in (1, 2):
            alternative, other = f"Alternative S{number}", f"main S{3 - number}"
            text = f"Time from main to alternative S{number}, center to center [ns]"
            fields.append(((text, f"alt_s{number}_delay"), np.float32))
            text = f"{alternative}: drift time together with the {other} [ns]"
            fields.append(((text, f"alt_s{number}_interaction_drift_time"), np.float32))
        return fields

    def compute(self, events: Array, peaks: Array) -> Array:
        """Return one row per event; fields of a missing peak are -1 or NaN."""
        result: Array = np.zeros(len(events), self.dtype)
        strax.set_nan_defaults(result)
        for name in ("time", "endtime", "event_number"):
            result[name] = events[name]
        event = event_of(peaks, events)
        peaks, event = peaks[event != NO_PEAK], event[event != NO_PEAK]
        first = np.searchsorted(event, np.arange(len(events)))
        result["n_peaks"] = np.bincount(event, minlength=len(events))
        chosen = choose_peaks(peaks, event, len(events), self.config["max_drift_time"])
        for name, index in chosen.items():
            there = index != NO_PEAK
            result[f"{name}_index"][there] = (index - first)[there]
            for (_, field), _ in fields_of(name):
                result[f"{name}_{field}"][there] = peaks[field][index[there]]
        result["drift_time"] = _time_between(result, "s1", "s2")
        for number in (1, 2):
            result[f"alt_s{number}_delay"] = _time_between(result, f"s{number}", f"alt_s{number}")
        for number, pair in ((1, ("alt_s1", "s2")), (2, ("s1", "alt_s2"))):
            result[f"alt_s{number}_interaction_drift_time"] = _time_between(result, *pair)
        _set_areas_before(result, peaks, event)
        return result


def event_of(peaks: Array, events: Array) -> Array:
    """Return for each peak the index of the event that contains it, otherwise NO_PEAK."""
    if not len(events):
        return np.full(len(peaks), NO_PEAK)
    event = np.searchsorted(events["time"], peaks["time"], "right") - 1
    inside = (event >= 0) & (strax.endtime(peaks) <= events["endtime"][event])
    return np.where(inside, event, NO_PEAK)


def peaks_of(events: Array, peaks: Array) -> dict[str, Array]:
    """Return the indices in `peaks` of each event's main and alternative S1 and S2, or NO_PEAK.

    `events` have the indices of these peaks within the event, as in ``event_basics``.
    """
    event = event_of(peaks, events)
    inside = np.flatnonzero(event != NO_PEAK)
    first = np.searchsorted(event[inside], np.arange(len(events)))
    found = {}
    for name in PEAKS_OF_EVENT:
        there = events[f"{name}_index"] != NO_PEAK
        found[name] = np.full(len(events), NO_PEAK)
        found[name][there] = inside[(first + events[f"{name}_index"])[there]]
    return found


def copied_fields(copied: Sequence[tuple[str, str]], of_peaks: np.dtype[Any]) -> list[Any]:
    """Return the fields that repeat those of peaks for each of PEAKS_OF_EVENT.

    `copied` are a text and a field of peaks each, `of_peaks` is the type of peaks.
    """
    return [
        ((f"{words}: {text}", f"{name}_{field}"), of_peaks[field])
        for name, words in PEAKS_OF_EVENT.items()
        for text, field in copied
    ]


def copy_fields(
    result: Array, copied: Sequence[tuple[str, str]], events: Array, peaks: Array
) -> None:
    """Fill these fields of `result`, a row per event; those of a missing peak stay as they are."""
    for name, index in peaks_of(events, peaks).items():
        there = index != NO_PEAK
        for _, field in copied:
            result[f"{name}_{field}"][there] = peaks[field][index[there]]


def choose_peaks(
    peaks: Array, event: Array, n_events: int, max_drift_time: float | None = None
) -> Mapping[str, Array]:
    """Return the indices of each event's main and alternative S1 and S2, NO_PEAK if missing.

    `event` is the event index of each peak.
    """
    time = peaks["center_time"]
    s2 = _largest(peaks, event, n_events, peaks["type"] == S2)
    drift_time = time[s2[event]] - time
    longest = np.inf if max_drift_time is None else max_drift_time
    is_s1 = (peaks["type"] == S1) & (s2[event] != NO_PEAK)
    is_s1 &= (drift_time > 0) & (drift_time <= longest)
    s1 = _largest(peaks, event, n_events, is_s1)
    since_s1 = time - time[s1[event]]
    follows = (s1[event] == NO_PEAK) | ((since_s1 > 0) & (since_s1 <= longest))
    other_s2 = (peaks["type"] == S2) & follows
    index = np.arange(len(peaks))
    return {
        "s1": s1,
        "alt_s1": _largest(peaks, event, n_events, is_s1 & (index != s1[event])),
        "s2": s2,
        "alt_s2": _largest(peaks, event, n_events, other_s2 & (index != s2[event])),
    }


def _largest(peaks: Array, event: Array, n_events: int, is_candidate: Array) -> Array:
    """Return each event's candidate with the largest area, the first one if areas are equal."""
    result = np.full(n_events, NO_PEAK)
    candidates = np.flatnonzero(is_candidate)
    # Sorted by area, and equal areas by descending time: the last one written remains.
    order = np.lexsort((-candidates, peaks["area"][candidates]))
    result[event[candidates[order]]] = candidates[order]
    return result


def _time_between(result: Array, first: str, second: str) -> Array:
    there = (result[f"{first}_index"] != NO_PEAK) & (result[f"{second}_index"] != NO_PEAK)
    between = result[f"{second}_center_time"] - result[f"{first}_center_time"]
    return np.where(there, between, np.nan)


def _set_areas_before(result: Array, peaks: Array, event: Array) -> None:
    """Set the area of all peaks, and of the largest S2, before the main S2 of each event."""
    there = result["s2_index"] != NO_PEAK
    before = peaks["time"] < result["s2_time"][event]
    area = np.bincount(event[before], peaks["area"][before], minlength=len(result))
    result["area_before_main_s2"][there] = area[there]
    largest = np.zeros(len(result), np.float32)
    before &= peaks["type"] == S2
    np.maximum.at(largest, event[before], peaks["area"][before])
    result["large_s2_before_main_s2"][there] = largest[there]
