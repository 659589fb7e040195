"""Rates per live time, and the live time itself."""

from typing import Any

import numpy as np

from xamsflow.analysis.quantities import estimators
from xamsflow.analysis.quantities.definition import NotMeasuredError, quantity
from xamsflow.analysis.quantities.estimators import Measured
from xamsflow.analysis.quantities.run_data import RunData

PEAKS = ("time", "type", "n_hits")

UNKNOWN, S1, S2 = 0, 1, 2
"""Values of ``type``."""


@quantity
def live_fraction(run: RunData) -> float:
    """Live time divided by the length of the run."""
    if run.length <= 0:
        raise NotMeasuredError("the run has no length")
    return run.live_time / run.length


@quantity(unit="Hz")
def event_rate(run: RunData) -> Measured:
    """Events per live time."""
    return _rate(run, run.rows("events", "time")["time"])


@quantity(unit="Hz")
def s1_rate(run: RunData) -> Measured:
    """Peaks of type S1 per live time."""
    return _rate_of_type(run, S1)


@quantity(unit="Hz")
def s2_rate(run: RunData) -> Measured:
    """Peaks of type S2 per live time."""
    return _rate_of_type(run, S2)


@quantity(unit="Hz")
def unknown_rate(run: RunData) -> Measured:
    """Peaks of more than one hit that are neither S1 nor S2, per live time."""
    peaks = run.rows("peak_basics", *PEAKS)
    return _rate(run, peaks["time"][(peaks["type"] == UNKNOWN) & (peaks["n_hits"] > 1)])


@quantity(unit="Hz")
def lone_hit_rate(run: RunData) -> Measured:
    """Peaks of a single hit, of any type, per live time."""
    peaks = run.rows("peak_basics", *PEAKS)
    return _rate(run, peaks["time"][peaks["n_hits"] == 1])


def _rate_of_type(run: RunData, kind: int) -> Measured:
    peaks = run.rows("peak_basics", *PEAKS)
    return _rate(run, peaks["time"][peaks["type"] == kind])


def _rate(run: RunData, times: Any) -> Measured:
    return estimators.rate(np.asarray(times), run.start, run.end, run.live_time)
