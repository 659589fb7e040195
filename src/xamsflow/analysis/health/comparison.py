"""The statistics of a verdict: what is usual for a quantity, and how far a value is from it.

The center is the median of the reference runs. The spread is their standard deviation after
clipping values far from the median, as in the reweighted estimators of Rousseeuw and Leroy, Robust
Regression and Outlier Detection (1987). Up to a quarter of the reference runs may be wrong; if none
is, the estimate is nearly as precise as a standard deviation.

Quantities that are occasionally far off for no reason have longer tails than a normal distribution.
Student's t distribution describes these tails; it is fitted to each quantity and to all together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 1 / 2000
"""The probability that a usual run is called odd if all quantities have normal distributions: half
of the tolerated value, because the distributions are not exactly normal."""

FEWEST = 15
"""Minimum number of reference runs; with fewer, the spread is too uncertain."""

CLIP = 4.5
"""Robust spreads from the median beyond which a reference run does not count for the spread."""

WITHIN, QUANTILE = 0.75, 1.1503
"""The share of distances from the median that gives the robust spread, and the distance that
corresponds to it in a standard normal distribution."""

FREEDOM = 0.8
"""Degrees of freedom of the spread, relative to those of a standard deviation; clipping costs some.
"""

FREEDOMS = (2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0)
"""Degrees of freedom of tails that are longer than normal."""

LONGER = 1.0
"""Log-likelihood ratio above which the tails of one quantity count as longer; by chance, 8 % of
normally distributed quantities reach it."""

STEPS = 10
"""Steps of the fit of a scale."""

CLEARLY_LONGER = 5.0
"""The same for all quantities together; hardly ever reached by chance."""

MOST_OF_ONE = 2.0
"""Maximum contribution of one quantity to that ratio, so that the ratio describes most quantities.
"""

LEAST_SPREAD = {"": 1e-3, "ADC counts": 0.05}
"""By unit, the spread below which a difference has no consequences; for others, see below."""

LEAST_RELATIVE_SPREAD = 1e-3

CLEARLY = 5.0
"""A quantity that is usually this many errors from zero should not be missing."""


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """The usual values of one or more quantities: `spread` around `center`, over `n` runs.

    `error` is the usual error of a value, and `center_error` the error of the center. `residuals`
    are the distances of the reference runs from the center over their own standard deviation,
    without its lower limit; NaN if all runs are alike.
    """

    center: Array
    spread: Array
    error: Array
    n: int
    center_error: Array
    residuals: Array

    def spread_for(self, error: Array | float) -> Array:
        """Return the expected standard deviation of a value with this error from the center.

        A value with a smaller error than usual is not judged more strictly, because it is uncertain
        how much of the spread is due to the errors.
        """
        more = np.maximum(0.0, np.square(error) - self.error**2)
        spread: Array = np.sqrt(self.spread**2 + self.center_error**2 + more)
        return spread

    @property
    def is_clear(self) -> bool:
        """Whether the quantity differs from zero so clearly that it should not be missing."""
        return bool(np.all(np.abs(self.center) > CLEARLY * np.maximum(self.error, self.spread)))


def of_runs(values: Array, errors: Array, unit: str) -> Usual:
    """Return the usual values, based on reference runs along the first axis.

    An error is one standard deviation, 0 if it is unknown.
    """
    center = np.median(values, axis=0)
    error = np.median(errors, axis=0)
    least = np.maximum(error, _least(center, unit))
    scatter = _clipped_spread(values, center, least)
    spread = np.maximum(scatter, least)
    more = np.maximum(0.0, np.square(errors) - error**2)
    own = np.where(scatter > 0, np.sqrt(scatter**2 + more), np.nan)
    # The variance of a median is that of a mean times pi / 2.
    center_error = spread * np.sqrt(np.pi / 2 / len(values))
    return Usual(center, spread, error, len(values), center_error, (values - center) / own)


def of_named(value: float, error: float, before: Usual | None, unit: str) -> Usual:
    """Return the usual values, based on one run; the runs `before` define only the spread."""
    center, own = np.asarray(value), np.asarray(error)
    spread = np.maximum(own, _least(center, unit))
    if before is not None:
        spread = np.maximum(spread, before.spread)
    residuals = before.residuals if before else np.zeros(0)
    return Usual(center, spread, own, before.n if before else FEWEST, spread, residuals)


@dataclass(frozen=True)
class Tails:
    """Student's t distribution of residuals, which is normal if `freedom` is infinite."""

    freedom: float = math.inf
    scale: float = 1.0


NORMAL = Tails()


def tails(residuals: Sequence[Array]) -> list[Tails]:
    """Return the distribution of each quantity's residuals, NORMAL unless its tails are longer.

    The tails are those of the quantity itself or of most quantities, whichever are longer. Both
    lack the deviations of odd runs, which matters little: the many residuals of a few spreads
    determine the likelihood.
    """
    squares = np.full((max(map(len, residuals), default=0), len(residuals)), np.nan)
    for column, of_one in enumerate(residuals):
        squares[: len(of_one), column] = np.square(of_one)
    found = [NORMAL] * len(residuals)
    varies = np.flatnonzero(np.nanmax(squares, axis=0, initial=0.0) > 0)
    if not len(varies):
        return found
    gains, scales = _student(squares[:, varies])
    of_most = NORMAL
    together = np.minimum(gains, MOST_OF_ONE).sum(axis=1)
    if together.max() > CLEARLY_LONGER:
        best = int(together.argmax())
        of_most = Tails(FREEDOMS[best], float(np.median(scales[best])))
    for column, place in enumerate(varies.tolist()):
        best = int(gains[:, column].argmax())
        is_longer = gains[best, column] > LONGER
        own = Tails(FREEDOMS[best], float(scales[best, column])) if is_longer else NORMAL
        found[place] = min(own, of_most, key=lambda one: one.freedom)
    return found


def _student(squares: Array) -> tuple[Array, Array]:
    """Return the log-likelihood ratio of each of FREEDOMS to a normal distribution, and the scales.

    Both have the shape (FREEDOMS, columns of squared residuals). The scales follow from expectation
    maximization (Lange, Little and Taylor, J. Am. Stat. Assoc. 84 (1989) 881).
    """
    from scipy.special import gammaln  # noqa: PLC0415 - as in :func:`limit`

    freedom = np.array(FREEDOMS)[:, np.newaxis]
    n, mean = np.isfinite(squares).sum(axis=0), np.nanmean(squares, axis=0)
    normal = -n / 2 * (np.log(2 * np.pi * mean) + 1)
    start = np.maximum(np.nanmedian(squares, axis=0), 1e-3 * mean)
    variance = np.repeat(start[np.newaxis], len(freedom), axis=0)
    for _ in range(STEPS):
        weights = (freedom + 1) / (freedom + squares[:, np.newaxis] / variance)
        variance = np.nanmean(weights * squares[:, np.newaxis], axis=0)
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2)
    logarithms = np.nansum(np.log1p(squares[:, np.newaxis] / variance / freedom), axis=0)
    likelihood = n * (constant - np.log(np.pi * freedom * variance) / 2)
    likelihood -= (freedom + 1) / 2 * logarithms
    return likelihood - normal, np.sqrt(variance)


def limit(n_judged: int, n_references: int, of: Tails = NORMAL) -> float:
    """Return the deviation, in spreads, that counts as odd if this many quantities are compared.

    It is a quantile of Student's t distribution, because the spread is itself uncertain, for
    FALSE_ALARMS divided among the quantities (Bonferroni). Longer tails `of` the quantities
    themselves make it larger.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - takes a while, and strax loads it anyway

    def quantile(freedom: float) -> float:
        return float(stdtrit(freedom, 1 - FALSE_ALARMS / max(n_judged, 1) / 2))

    freedom = FREEDOM * (n_references - 1)
    longer = of.scale * quantile(1 / (1 / freedom + 1 / of.freedom))
    return max(quantile(freedom), longer)


def _clipped_spread(values: Array, center: Array, least: Array) -> Array:
    distances = np.abs(values - center)
    robust = np.maximum(np.quantile(distances, WITHIN, axis=0) / QUANTILE, least)
    spread: Array = np.std(values, axis=0, ddof=1, where=distances <= CLIP * robust)
    return spread


def _least(center: Array, unit: str) -> Array:
    return np.asarray(LEAST_SPREAD.get(unit, LEAST_RELATIVE_SPREAD * np.abs(center)))
