"""Events: the time around a large S2. Event basics: an event's main and alternative S1 and S2."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data import strax_private
from xamsflow.data.plugins.peak_classification import S1, S2
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

NO_PEAK = -1


def events(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``events``."""
    settings = (
        ("trigger_min_area", tpc.trigger_min_area, "PE of the smallest S2 that makes an event"),
        ("event_left", tpc.event_left, "ns from the start of an event to its first large S2"),
        ("event_right", tpc.event_right, "ns from the last large S2 of an event to its end"),
    )

    class Events(_Events):
        takes_config = options(settings)

    return Events


strax_private.keep_compiled()


class _Events(strax.OverlapWindowPlugin):  # type: ignore[misc]
    """Large S2s with touching windows share an event, so that events never overlap.

    With each following chunk an event is built again, until nothing more can be added to it.
    """

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("peak_basics", "peak_classification")
    provides = "events"
    data_kind = "events"
    dtype = (
        *strax.time_fields,
        (("Number of the event in its run", "event_number"), np.int64),
    )

    def get_window_size(self) -> tuple[int, int]:
        """Return how far before and after its S2s an event depends on peaks."""
        size = self.config["event_left"] + self.config["event_right"] + 1
        return size, size

    def iter(self, iters: Any, executor: Any = None) -> Iterator[Any]:
        """Number the events here, because compute sees some events twice."""
        n_events = 0
        for chunk in super().iter(iters, executor=executor):
            chunk.data["event_number"] = n_events + np.arange(len(chunk))
            n_events += len(chunk)
            yield chunk

    def compute(self, peaks: Array, start: int, end: int) -> Array:
        """Return the events around large S2s, limited to the recorded time."""
        left, right = self.config["event_left"], self.config["event_right"]
        is_trigger = (peaks["type"] == S2) & (peaks["area"] >= self.config["trigger_min_area"])
        triggers = peaks[is_trigger]
        if not len(triggers):
            return np.zeros(0, self.dtype)
        first, last = triggers["time"] - left, strax.endtime(triggers) + right
        starts_event = np.append(True, first[1:] > last[:-1])
        ends_event = np.append(starts_event[1:], True)
        result: Array = np.zeros(starts_event.sum(), self.dtype)
        result["time"] = np.maximum(first[starts_event], start)
        result["endtime"] = np.minimum(last[ends_event], end)
        return result


PEAK_FIELDS = (
    (("start time since unix epoch [ns]", "time"), np.int64),
    (("end time since unix epoch [ns]", "endtime"), np.int64),
    (("center time since unix epoch [ns]", "center_time"), np.int64),
    (("area, uncorrected [PE]", "area"), np.float32),
    (("width, 50% area [ns]", "range_50p_area"), np.float32),
    (("width, 90% area [ns]", "range_90p_area"), np.float32),
    (("time between 10% and 50% of the area [ns]", "rise_time"), np.float32),
    (("fraction of area seen by the top array", "area_fraction_top"), np.float32),
    (("number of channels that contribute", "n_channels"), np.int16),
    (("channels whose maximum is close to the peak's", "tight_coincidence"), np.int16),
    (("number of hits", "n_hits"), np.int32),
    (("number of channels that reach the ADC's limit", "n_saturated_channels"), np.int16),
)
"""The peak fields that an event repeats; positions are added if they are known."""

POSITION_FIELDS = (
    (("centroid x [mm]", "x"), np.float32),
    (("centroid y [mm]", "y"), np.float32),
)

PEAKS_OF_EVENT = (
    ("s1", "Main S1"),
    ("alt_s1", "Alternative S1"),
    ("s2", "Main S2"),
    ("alt_s2", "Alternative S2"),
)


def event_basics(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``event_basics``."""
    settings = (
        ("drift_velocity", tpc.drift_velocity, "Velocity of electrons in liquid, mm per ns"),
        ("gate_time", tpc.gate_time, "Drift time from the gate, ns"),
        ("max_drift_time", tpc.max_drift_time, "Drift time from the cathode, ns, or None"),
    )
    with_positions = ("peak_positions",) if tpc.positions else ()

    class EventBasics(_EventBasics):
        depends_on = ("events", "peak_basics", "peak_classification", *with_positions)
        takes_config = options(settings)

    return EventBasics


class _EventBasics(strax.Plugin):  # type: ignore[misc]
    """The main S2 is the largest one of the event, the main S1 the largest one before it.

    The alternative S1 is the next largest one before the main S2, the alternative S2 the next
    largest one after the main S1. An S1 is not considered if it precedes the main S2 by more than
    the drift time from the cathode. A peak belongs to an event if it lies entirely within it.
    """

    __version__ = "1.1.0"
    chunk_target_size_mb = CHUNK_MB
    provides = "event_basics"
    data_kind = "events"

    def infer_dtype(self) -> list[Any]:
        """Return the fields of an event, followed by those of its peaks."""
        with_positions = "peak_positions" in self.depends_on
        self.peak_fields = (*PEAK_FIELDS, *(POSITION_FIELDS if with_positions else ()))
        fields: list[Any] = [
            *strax.time_fields,
            (("Number of the event in its run", "event_number"), np.int64),
            (("Number of peaks in the event", "n_peaks"), np.int32),
            (("Time from main S1 to main S2, center to center [ns]", "drift_time"), np.float32),
            (("Depth below the gate, negative [mm]", "z"), np.float32),
        ]
        for name, words in PEAKS_OF_EVENT:
            fields.append(
                ((f"{words}: index of the peak in the event, or -1", f"{name}_index"), "<i4")
            )
            fields += [
                ((f"{words}: {text}", f"{name}_{field}"), kind)
                for (text, field), kind in self.peak_fields
            ]
        for number in (1, 2):
            text = f"Time from main to alternative S{number}, center to center [ns]"
            fields.append(((text, f"alt_s{number}_delay"), np.float32))
        return fields

    def compute(self, events: Array, peaks: Array) -> Array:
        """Return one row per event; fields of a missing peak are -1 or NaN."""
        result: Array = np.zeros(len(events), self.dtype)
        for name in ("time", "endtime", "event_number"):
            result[name] = events[name]
        event = event_of(peaks, events)
        peaks, event = peaks[event != NO_PEAK], event[event != NO_PEAK]
        first = np.searchsorted(event, np.arange(len(events)))
        result["n_peaks"] = np.bincount(event, minlength=len(events))
        chosen = choose_peaks(peaks, event, len(events), self.config["max_drift_time"])
        for name, index in chosen.items():
            there = index != NO_PEAK
            result[f"{name}_index"] = np.where(there, index - first, NO_PEAK)
            for (_, field), kind in self.peak_fields:
                result[f"{name}_{field}"] = np.nan if kind == np.float32 else NO_PEAK
                result[f"{name}_{field}"][there] = peaks[field][index[there]]
        result["drift_time"] = _time_between(result, "s1", "s2")
        for number in (1, 2):
            result[f"alt_s{number}_delay"] = _time_between(result, f"s{number}", f"alt_s{number}")
        drifted = result["drift_time"] - self.config["gate_time"]
        result["z"] = -self.config["drift_velocity"] * drifted
        return result


def event_of(peaks: Array, events: Array) -> Array:
    """Return for each peak the index of the event that contains it, otherwise NO_PEAK."""
    if not len(events):
        return np.full(len(peaks), NO_PEAK)
    event = np.searchsorted(events["time"], peaks["time"], "right") - 1
    inside = (event >= 0) & (strax.endtime(peaks) <= events["endtime"][event])
    return np.where(inside, event, NO_PEAK)


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
    after_s1 = (s1[event] == NO_PEAK) | (time > time[s1[event]])
    other_s2 = (peaks["type"] == S2) & after_s1
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
