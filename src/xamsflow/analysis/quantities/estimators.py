"""Values with errors, from counts, areas and times.

An error is one standard deviation: in 68 % of all runs, the value is within its error of the truth.
No error follows from the assumption that counts are independent if they need not be: the pulses of
an S2 come together. Where a distribution is unknown, only the order of the values is used.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats takes as long to load as all quantities

from xamsflow.analysis.quantities.definition import NotMeasuredError

Array = npt.NDArray[Any]
Measured = tuple[float, float]
"""A value and its error."""

ONE_SIGMA = 0.682689
NONE_SEEN = 1.148
"""Poisson mean with no count in 1 - ONE_SIGMA of all cases: the upper limit if none is seen."""

TIME_BINS = 50
FEWEST = 10
"""Values without which no median is given."""

DRIFT_BINS = 10
FEWEST_IN_BIN = 10

SIGNIFICANT = 1.0
"""Standard deviations by which a value must be above zero to have an inverse."""

FIRST_STEP = 1 / 64
"""Rate of loss tried first, in decay times per length of the data; see :func:`loss_rate`."""


def rate(times: Array, start: int, end: int, live_time: float) -> Measured:
    """Return the rate in Hz of things at `times` (ns) in a live time (s), with its error.

    The error is from the spread of the counts in TIME_BINS parts of the run, so it is right for
    counts that come in groups. For none, it is the 68 % upper limit.
    """
    if not len(times):
        return none_in(live_time)
    counts, _ = np.histogram(times, np.linspace(start, end, TIME_BINS + 1))
    spread = np.sqrt(TIME_BINS * counts.var(ddof=1))
    return len(times) / live_time, float(spread) / live_time


def none_in(live_time: float) -> Measured:
    """Return the rate in Hz if nothing is seen in a live time (s): the error is the upper limit."""
    return 0.0, NONE_SEEN / live_time


def weighted_mean(values: Array, weights: Array) -> tuple[float, float | None]:
    """Return the mean of values whose variances are inverse to their weights, with its error.

    The error is from the spread of the values, None for a single one; for few values, Student's
    distribution makes it as much larger as needed. Raises NotMeasuredError without any.
    """
    there = np.isfinite(values) & (weights > 0)
    values, weights = values[there], weights[there]
    if not len(values):
        raise NotMeasuredError("no pulses")
    mean = float(np.average(values, weights=weights))
    free = len(values) - 1
    if not free:
        return mean, None
    variance = np.sum(weights * (values - mean) ** 2) / free / weights.sum()
    return mean, float(np.sqrt(variance)) * _student(free)


def median(values: Array, what: str) -> Measured:
    """Return the median with its error, whatever the distribution.

    The error is a quarter of the interval between the values that enclose the true median in 95 %
    of all cases (binomial distribution). Raises NotMeasuredError for fewer than FEWEST of `what`.
    """
    n = len(values)
    if n < FEWEST:
        raise few(n, what, FEWEST)
    half = min(1 / np.sqrt(n), 0.4)  # two standard deviations: their distance fluctuates less
    low, middle, high = np.quantile(values, [0.5 - half, 0.5, 0.5 + half], method="weibull")
    return float(middle), float(high - low) / (4 * half * np.sqrt(n))


def share(n_some: int, n_all: int, what: str) -> Measured:
    """Return a share of counts with its binomial error; for 0 or 1, that is the 68 % limit.

    Raises NotMeasuredError without any.
    """
    if not n_all:
        raise few(0, what, 1)
    value = n_some / n_all
    if n_some in (0, n_all):
        return value, NONE_SEEN / n_all
    return value, float(np.sqrt(value * (1 - value) / n_all))


def ratio_of_sums(parts: Array, wholes: Array, what: str) -> Measured:
    """Return the sum of parts over the sum of wholes, with the error from their spread.

    Raises NotMeasuredError for fewer than FEWEST of `what`.
    """
    if len(wholes) < FEWEST:
        raise few(len(wholes), what, FEWEST)
    total = float(wholes.sum())
    value = float(parts.sum()) / total
    spread = np.sqrt(np.sum((parts - value * wholes) ** 2) * len(parts) / (len(parts) - 1))
    return value, float(spread) / total


def slope_of_medians(x: Array, y: Array, what: str) -> Measured:
    """Return the slope of a line through the medians of y in bins of x, with its error.

    The bins have equal numbers of values. If the medians are farther from a line than their errors
    allow, the error grows accordingly. Raises NotMeasuredError for too few of `what`.
    """
    _check_bins(len(x), what)
    parts = _bins(x)
    centers = x[parts].mean(axis=1)
    medians, errors = np.transpose([median(y[part], what) for part in parts])
    (slope, _), covariance = np.polyfit(centers, medians, 1, w=1 / errors, cov="unscaled")
    line = np.polynomial.polynomial.polyfit(centers, medians, 1, w=1 / errors)
    left = (medians - np.polynomial.polynomial.polyval(centers, line)) / errors
    scale = max(1.0, float(np.sum(left**2)) / (len(parts) - 2))
    return float(slope), float(np.sqrt(covariance[0, 0] * scale))


Trend = Callable[[Array, Array], float]
"""The trend of y with x in standard deviations: normally distributed if there is none."""


def trend_of_medians(x: Array, y: Array) -> float:
    """Return the trend of the medians of y in bins of x, in standard deviations."""
    parts = _bins(x)
    centers = x[parts].mean(axis=1)
    centers -= centers.mean()
    medians = np.median(y[parts], axis=1)
    half = 0.5 / np.sqrt(parts.shape[1])
    low, high = np.quantile(y, [0.5 - half, 0.5 + half])
    spread = (high - low) / 2 * np.sqrt(np.sum(centers**2))
    return float(centers @ medians / spread) if spread else 0.0


def trend_of_ranks(x: Array, y: Array) -> float:
    """Return the trend of the ranks of y with those of x, in standard deviations (Spearman)."""
    correlation = np.corrcoef(_ranks(x), _ranks(y))[0, 1]
    return float(correlation * np.sqrt(len(x) - 1))


def loss_rate(time: Array, area: Array, smallest: float, trend: Trend, what: str) -> Measured:
    """Return the rate at which areas decrease exponentially, with its error, per unit of `time`.

    The right rate is the one after whose correction areas have no trend with time; its error is
    from those after whose correction the trend is one standard deviation. It has a normal
    distribution, and is negative as often as not if there is no decrease. Areas below `smallest`
    are not recorded, the more so the later they are. Therefore only corrected areas that would be
    recorded at any time are compared. The assumption is that the spectrum is the same at all times.
    Raises NotMeasuredError for too few of `what`, or if too few are clear of `smallest`.
    """
    _check_bins(len(time), what)
    from scipy.optimize import brentq  # noqa: PLC0415 - takes longer than all quantities of a run

    order = np.argsort(time, kind="stable")  # sorting what is sorted is fast
    time, area = time[order], area[order]
    logarithm = np.log(area)
    first, last = float(time[0]), float(time[-1])
    if not last > first:
        raise NotMeasuredError(f"all {what} have the same drift time")

    def trend_after(rate: float) -> float:
        corrected = logarithm + rate * time
        kept = corrected > np.log(smallest) + max(rate * first, rate * last)
        if kept.sum() < DRIFT_BINS * FEWEST_IN_BIN:
            raise NotMeasuredError(
                f"too few of {len(time)} {what} are far enough above the smallest recorded area "
                f"({smallest:.0f} PE) to tell a decay from the shape of the spectrum"
            )
        return trend(time[kept], corrected[kept])

    def rate_beyond(wanted: float) -> float:
        """Return a rate after whose correction the trend is beyond one that is wanted."""
        sign = np.sign(wanted)
        rate = sign * FIRST_STEP / (last - first)
        while sign * trend_after(rate) < abs(wanted):
            rate *= 2
        return float(rate)

    def rate_with(wanted: float, above: float, below: float) -> float:
        xtol = 1e-4 / (last - first)
        return float(brentq(lambda rate: trend_after(rate) - wanted, above, below, xtol=xtol))

    lowest, highest = rate_beyond(-1.0), rate_beyond(1.0)
    low, high = rate_with(-1.0, lowest, highest), rate_with(1.0, lowest, highest)
    return rate_with(0.0, lowest, highest), (high - low) / 2


def inverse(value: float, error: float, what: str) -> Measured:
    """Return the inverse of a value, with its error.

    Raises NotMeasuredError if the value is less than SIGNIFICANT errors above zero.
    """
    if value < SIGNIFICANT * error:
        raise NotMeasuredError(f"no significant {what}")
    return 1 / value, error / value**2


EDGE_BINS = 120
EDGES = 80
EDGE_WINDOW = 30.0
"""Half the window around the edge, in mean distances between values."""

SHORTEST_WINDOW = 2.5
"""Half the window, µs."""

SMOOTHINGS = np.geomspace(0.02, 1.5, 8)
"""Standard deviations of the edge, µs."""

BEYOND = np.array([0.0, 0.005, 0.02, 0.08, 0.3])
"""Densities beyond the edge, relative to that before it."""

FEWEST_DRIFTS = 300


def edge(times: Array, longest: float | None = None) -> Measured:
    """Return where a uniform distribution of times (µs) ends, with its error.

    The edge is smoothed by a normal distribution, and a small uniform part goes on beyond it. Both
    are unknown: the result is the central 68 % of the posterior distribution of the edge, for
    uniform priors of the edge and of the logarithm of the smoothing. Times above `longest` are not
    recorded. Raises NotMeasuredError if there are too few, or if there is no edge.
    """
    n = len(times)
    if n < FEWEST_DRIFTS:
        raise few(n, "drift times", FEWEST_DRIFTS)
    middle, rough = np.quantile(times, [0.5, 0.985])
    half = max(EDGE_WINDOW * (rough - middle) / (0.485 * n), SHORTEST_WINDOW)
    first, last = rough - half, rough + half
    if longest is not None:
        last = min(last, longest)
    counts, bins = np.histogram(times, np.linspace(first, last, EDGE_BINS + 1))
    edges = np.linspace(first, last, EDGES)
    posterior = _posterior_of_edge(edges, bins, counts)
    near_end = EDGES // 20
    if posterior[near_end] > 0.05 or posterior[-near_end] < 0.95:
        raise NotMeasuredError(f"the drift times have no edge from {first:.1f} to {last:.1f} µs")
    inside = np.flatnonzero((posterior > 1e-3) & (posterior < 1 - 1e-3))
    first, last = max(inside.min(initial=EDGES) - 2, 0), min(inside.max(initial=0) + 2, EDGES - 1)
    if first > last:  # the whole distribution is between two edges
        first = last = int(np.argmax(posterior > 0.5))
        first, last = max(first - 2, 0), min(last + 2, EDGES - 1)
    edges = np.linspace(edges[first], edges[last], EDGES)
    posterior = _posterior_of_edge(edges, bins, counts)
    low, high = np.interp([0.5 - ONE_SIGMA / 2, 0.5 + ONE_SIGMA / 2], posterior, edges)
    return float(low + high) / 2, float(high - low) / 2


def _posterior_of_edge(edges: Array, bins: Array, counts: Array) -> Array:
    """Return the cumulative posterior distribution of the edge at `edges`."""
    distance = edges[:, np.newaxis] - (bins[1:] + bins[:-1]) / 2
    before = special.ndtr(distance[:, np.newaxis] / SMOOTHINGS[:, np.newaxis])[:, :, np.newaxis]
    density = before + BEYOND[:, np.newaxis] * (1 - before) + 1e-9
    likelihood = np.log(density) @ counts - counts.sum() * np.log(density.sum(axis=-1))
    posterior = np.exp(likelihood - likelihood.max()).sum(axis=(1, 2))
    cumulative: Array = np.cumsum(posterior) / posterior.sum()
    return cumulative


def few(n: int, what: str, wanted: int) -> NotMeasuredError:
    """Return the error for too few of something."""
    return NotMeasuredError(f"{n} {what}; {wanted} are needed" if n else f"no {what}")


def _check_bins(n: int, what: str) -> None:
    if n < DRIFT_BINS * FEWEST_IN_BIN:
        raise few(n, what, DRIFT_BINS * FEWEST_IN_BIN)


def _bins(x: Array) -> Array:
    """Return indices in DRIFT_BINS rows of equal length, by ascending x; a few may be left out."""
    order = np.argsort(x, kind="stable")
    return order[: len(x) - len(x) % DRIFT_BINS].reshape(DRIFT_BINS, -1)


def _ranks(values: Array) -> Array:
    ranks: Array = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


def _student(free: int) -> float:
    """Return by what the standard deviation of few values is too small for 68 % of all cases."""
    return float(special.stdtrit(free, 0.5 + ONE_SIGMA / 2))
