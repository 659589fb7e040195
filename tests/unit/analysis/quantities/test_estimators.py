"""Errors are honest: in 68 % of many data sets, the value is within its error of the truth."""

from functools import cache

import numpy as np
import pytest

from xamsflow.analysis.quantities import estimators
from xamsflow.analysis.quantities.definition import NotMeasuredError

N_SETS, N_SETS_OF_FITS = 200, 40
"""Fits take some 20 ms each."""

RUN = 0, 20_000_000_000, 20.0
"""Start and end (ns), live time (s)."""


def clustered_rate(random):
    """Groups of 5 on average, as pulses of an S2."""
    groups = random.uniform(*RUN[:2], random.poisson(600))
    times = np.repeat(groups, random.poisson(5, len(groups)))
    return estimators.rate(times, *RUN), 150.0


def low_rate(random):
    return estimators.rate(random.uniform(*RUN[:2], random.poisson(25)), *RUN), 1.25


def mean_of_chunks(n_chunks):
    def make(random):
        weights = np.append(np.full(n_chunks - 1, 1000.0), 300.0)
        values = random.normal(5, 1 / np.sqrt(weights))
        return estimators.weighted_mean(values, weights), 5.0

    return make


def median(n):
    return lambda random: (estimators.median(random.exponential(1, n), "areas"), np.log(2))


def share(random):
    return estimators.share(int(random.binomial(500, 0.05)), 500, "S2s"), 0.05


def ratio(random):
    wholes = np.exp(random.uniform(5, 10, 300))
    return estimators.ratio_of_sums(wholes * random.beta(4, 12, 300), wholes, "S2s"), 0.25


def slope(random):
    x = random.uniform(5, 50, 800)
    y = 1 + 0.05 * x + random.normal(0, 0.3 + 0.005 * x)
    return estimators.slope_of_medians(x, y, "S2s"), 0.05


def loss_rate(trend, rate, smallest, largest, n):
    """A spectrum with a threshold at 100 PE."""

    def make(random):
        time = random.uniform(5, 50, n)
        area = np.exp(random.uniform(np.log(smallest), np.log(largest), n) - time * rate)
        seen = area > 100
        return estimators.loss_rate(time[seen], area[seen], 100.0, trend, "S2s"), rate

    return make


def edge(n, smoothing, beyond):
    def make(random):
        drifts = random.uniform(5, 50, random.poisson(n))
        drifts += random.normal(0, smoothing, len(drifts))
        others = random.uniform(5, 51, random.poisson(beyond * n))
        times = np.concatenate([drifts, others])
        return estimators.edge(times[times < 51], 51.0), 50.0

    return make


CASES = {
    "clustered rate": clustered_rate,
    "low rate": low_rate,
    **{f"mean of {n} chunks": mean_of_chunks(n) for n in (2, 3, 20)},
    **{f"median of {n}": median(n) for n in (15, 1000)},
    "share": share,
    "ratio": ratio,
    "slope": slope,
}
FITS = {
    "loss by medians": loss_rate(estimators.trend_of_medians, 1 / 20, 100, 20_000, 1500),
    "loss by ranks": loss_rate(estimators.trend_of_ranks, 1 / 300, 5_000, 7_000, 1000),
    "no loss": loss_rate(estimators.trend_of_medians, 0, 100, 20_000, 500),
    "edge": edge(1000, 0.07, 0.01),
}


@cache
def pulls(name):
    """The deviations from the truth in units of the error."""
    found = []
    for seed in range(N_SETS if name in CASES else N_SETS_OF_FITS):
        (value, error), truth = (CASES | FITS)[name](np.random.default_rng(seed))
        found.append((value - truth) / error)
    return np.array(found)


@pytest.mark.parametrize("name", [*CASES, *FITS])
def test_each_error_is_honest(name):
    inside = np.abs(pulls(name)) <= 1
    assert abs(inside.mean() - 0.68) < 3 * np.sqrt(0.68 * 0.32 / len(inside))
    assert abs(np.median(pulls(name))) < 0.5, "no bias"


def test_all_errors_together_are_honest():
    inside = np.concatenate([np.abs(pulls(name)) <= 1 for name in (*CASES, *FITS)])
    assert abs(inside.mean() - 0.68) < 0.03


def test_zero_has_a_limit():
    assert estimators.rate(np.zeros(0), *RUN) == (0.0, pytest.approx(1.148 / 20))
    assert estimators.share(0, 100, "S2s") == (0.0, pytest.approx(0.01148))


def test_one_chunk_has_no_error():
    assert estimators.weighted_mean(np.array([3.0, np.nan]), np.array([5.0, 0.0])) == (3.0, None)


@pytest.mark.parametrize(
    "measure, why",
    [
        (lambda: estimators.median(np.ones(3), "S1s"), "3 S1s; 10 are needed"),
        (lambda: estimators.share(0, 0, "S2s"), "no S2s"),
        (lambda: estimators.ratio_of_sums(np.ones(2), np.ones(2), "S2s"), "2 S2s; 10 are"),
        (lambda: estimators.weighted_mean(np.array([np.nan]), np.array([0.0])), "no pulses"),
        (lambda: estimators.slope_of_medians(np.ones(9), np.ones(9), "S2s"), "9 S2s; 100 are"),
        (lambda: estimators.edge(np.linspace(5, 40, 99)), "99 drift times; 300 are"),
        (lambda: estimators.edge(np.linspace(5, 51, 3000), 51.0), "have no edge"),
        (lambda: _rate(np.zeros(0)), "no S2s"),
        (lambda: _rate(np.ones(200)), "all S2s have the same drift time"),
        (lambda: _rate(np.linspace(0, 50, 2000), steepness=20), "of 2000 S2s are far enough above"),
        (lambda: estimators.inverse(0.9, 1, "decay"), "no significant decay"),
        (lambda: estimators.inverse(-9, 1, "decay"), "no significant decay"),
    ],
)
def test_what_cannot_be_measured_has_a_reason(measure, why):
    with pytest.raises(NotMeasuredError, match=why):
        measure()


def test_runs_that_see_no_loss_do_not_bias_the_mean():
    """Half of the rates are negative if nothing is lost; their mean is zero."""
    found = pulls("no loss")
    assert (found < 0).sum() > 0.25 * len(found)
    assert abs(found.mean()) < 3 / np.sqrt(len(found))


def _rate(time, steepness=1):
    """The rate of loss for an exponential spectrum from the smallest recorded area on."""
    area = 10 + np.random.default_rng(0).exponential(100 / steepness**2, len(time))
    return estimators.loss_rate(time, area, 10.0, estimators.trend_of_ranks, "S2s")
