"""What the xenon and the fields do: areas, drift and electron lifetime."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.quantities import estimators
from xamsflow.analysis.quantities.definition import NotMeasuredError, quantity
from xamsflow.analysis.quantities.estimators import Measured, Trend
from xamsflow.analysis.quantities.run_data import RunData
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

NS_PER_US = US_PER_MS = 1e3

MOST_EVENTS = 20_000
"""Events from which drift and lifetime are measured; more say nothing new about a run."""

CLEAR_OF_THRESHOLD = 1.2
"""Areas are complete above this multiple of the smallest S2 that makes an event."""

BOTH = "events with an S1 and an S2"
FIELDS = ("s1_area", "s2_area", "drift_time", "s2_range_50p_area")


@quantity(unit="PE")
def s1_area(run: RunData) -> Measured:
    """Median area of the main S1s of events that have a main S2."""
    return estimators.median(_events(run)["s1_area"], BOTH)


@quantity(unit="PE")
def s2_area(run: RunData) -> Measured:
    """Median area of the main S2s of events that have a main S1."""
    return estimators.median(_events(run)["s2_area"], BOTH)


@quantity(unit="µs")
def drift_time_edge(run: RunData) -> Measured:
    """Drift time from the cathode: where the distribution of drift times ends."""
    longest = _tpc(run).max_drift_time
    times = _some(_events(run))["drift_time"] / NS_PER_US
    return estimators.edge(times, None if longest is None else longest / NS_PER_US)


@quantity(unit="1/ms")
def electron_loss_rate(run: RunData) -> Measured:
    """Inverse of the electron lifetime, from the medians of the S2 area in ten bins of drift time.

    The median of S2s that are corrected with the right rate does not depend on drift time.
    """
    return _loss_rate(run, estimators.trend_of_medians)


@quantity(unit="1/ms")
def electron_loss_rate_2(run: RunData) -> Measured:
    """Inverse of the electron lifetime, from the correlation of ranks of S2 area and drift time.

    The ranks of S2s that are corrected with the right rate do not depend on drift time.
    """
    return _loss_rate(run, estimators.trend_of_ranks)


@quantity(unit="µs")
def electron_lifetime(run: RunData) -> Measured:
    """Inverse of `electron_loss_rate`, if that is at least one standard deviation above zero."""
    return _lifetime(electron_loss_rate(run))


@quantity(unit="µs")
def electron_lifetime_2(run: RunData) -> Measured:
    """Inverse of `electron_loss_rate_2`, if that is at least one standard deviation above zero."""
    return _lifetime(electron_loss_rate_2(run))


@quantity(unit="µs²/µs")
def s2_width_slope(run: RunData) -> Measured:
    """Increase of the squared width (central 50 %) of main S2s with drift time, from medians."""
    events = _drifted(run)
    widths = (events["s2_range_50p_area"] / NS_PER_US) ** 2
    return estimators.slope_of_medians(events["drift_time"] / NS_PER_US, widths, BOTH)


def _loss_rate(run: RunData, trend: Trend) -> Measured:
    events = _drifted(run)
    smallest = _tpc(run).trigger_min_area * CLEAR_OF_THRESHOLD
    events = events[events["s2_area"] > smallest]
    times = events["drift_time"] / NS_PER_US
    rate, error = estimators.loss_rate(times, events["s2_area"], smallest, trend, BOTH)
    return rate * US_PER_MS, error * US_PER_MS


def _lifetime(loss_rate: Measured) -> Measured:
    rate, error = loss_rate
    return estimators.inverse(rate / US_PER_MS, error / US_PER_MS, "decay")


def _tpc(run: RunData) -> Tpc:
    if run.detector.tpc is None:
        raise NotMeasuredError(f"{run.detector.name} has no TPC")
    return run.detector.tpc


def _events(run: RunData) -> Array:
    """Return the events that have a main S1 and a main S2."""
    events = run.rows("event_basics", *FIELDS)
    both: Array = events[np.isfinite(events["drift_time"])]
    return both


def _drifted(run: RunData) -> Array:
    """Return such events from below the gate."""
    events = _events(run)
    return _some(events[events["drift_time"] > _tpc(run).gate_time])


def _some(events: Array) -> Array:
    """Return at most MOST_EVENTS, spread over the run."""
    return events[:: -(-len(events) // MOST_EVENTS) or 1]
