"""The statistics of a verdict: what is usual for a quantity, and how far a value is from it.

The center is the median of the reference runs. The spread is their standard deviation after
clipping what is far from the median, as in the reweighted estimators of Rousseeuw and Leroy, Robust
Regression and Outlier Detection (1987). Up to a quarter of the reference runs may be wrong, and if
none is, the estimate is nearly as precise as a standard deviation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 1 / 2000
"""The probability that a usual run is called odd if all quantities have normal distributions: half
of what is tolerated, because they do not quite have them."""

FEWEST = 15
"""Reference runs; with fewer, the spread is too uncertain."""

CLIP = 4.5
"""Robust spreads from the median beyond which a reference run does not count for the spread."""

WITHIN, QUANTILE = 0.75, 1.1503
"""The share of distances from the median that gives the robust spread, and the distance that
corresponds to it in a standard normal distribution."""

FREEDOM = 0.8
"""Degrees of freedom of the spread over those of a standard deviation: clipping costs some."""

LEAST_SPREAD = {"": 1e-3, "ADC counts": 0.05}
"""By unit, the spread below which a difference has no consequences; for others, see below."""

LEAST_RELATIVE_SPREAD = 1e-3

CLEARLY = 5.0
"""A quantity that is usually this many errors from zero should not be missing."""


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """What is usual for a quantity, or for several: `spread` is around `center`, over `n` runs.

    `error` is the usual error of a value, and `center_error` that of the center.
    """

    center: Array
    spread: Array
    error: Array
    n: int
    center_error: Array

    def spread_for(self, error: Array | float) -> Array:
        """Return the expected standard deviation of a value with this error from the center.

        A value with a smaller error than usual is not judged more strictly: how much of the spread
        is due to the errors is uncertain.
        """
        more = np.maximum(0.0, np.square(error) - self.error**2)
        spread: Array = np.sqrt(self.spread**2 + self.center_error**2 + more)
        return spread

    @property
    def is_clear(self) -> bool:
        """Whether the quantity differs from zero so clearly that it should not be missing."""
        return bool(np.all(np.abs(self.center) > CLEARLY * np.maximum(self.error, self.spread)))


def of_runs(values: Array, errors: Array, unit: str) -> Usual:
    """Return what is usual according to reference runs, which are along the first axis.

    An error is one standard deviation, 0 if it is unknown.
    """
    center = np.median(values, axis=0)
    error = np.median(errors, axis=0)
    least = np.maximum(error, _least(center, unit))
    spread = np.maximum(_clipped_spread(values, center, least), least)
    # The variance of a median is that of a mean times pi / 2.
    return Usual(center, spread, error, len(values), spread * np.sqrt(np.pi / 2 / len(values)))


def of_named(value: float, error: float, before: Usual | None, unit: str) -> Usual:
    """Return what is usual according to one run; the runs `before` only show the spread."""
    center, own = np.asarray(value), np.asarray(error)
    spread = np.maximum(own, _least(center, unit))
    if before is not None:
        spread = np.maximum(spread, before.spread)
    return Usual(center, spread, own, before.n if before else FEWEST, spread)


def limit(n_judged: int, n_references: int) -> float:
    """Return the deviation, in spreads, that is odd if this many quantities are compared.

    It is a quantile of Student's t distribution, because the spread is itself uncertain, for
    FALSE_ALARMS divided among the quantities (Bonferroni).
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - takes a while, and strax loads it anyway

    freedom = FREEDOM * (n_references - 1)
    return float(stdtrit(freedom, 1 - FALSE_ALARMS / max(n_judged, 1) / 2))


def _clipped_spread(values: Array, center: Array, least: Array) -> Array:
    distances = np.abs(values - center)
    robust = np.maximum(np.quantile(distances, WITHIN, axis=0) / QUANTILE, least)
    spread: Array = np.std(values, axis=0, ddof=1, where=distances <= CLIP * robust)
    return spread


def _least(center: Array, unit: str) -> Array:
    return np.asarray(LEAST_SPREAD.get(unit, LEAST_RELATIVE_SPREAD * np.abs(center)))
