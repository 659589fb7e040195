import numpy as np
import pytest

from xamsflow.simulate import Signal
from xamsflow.simulate.physics import quality
from xamsflow.simulate.physics.matching import match, match_events
from xamsflow.simulate.signals import signal_dtype

N = 2000
PEAK = np.dtype(
    [
        ("time", "<i8"),
        ("endtime", "<i8"),
        ("center_time", "<i8"),
        ("area", "<f4"),
        ("type", "i1"),
    ]
)


@pytest.fixture
def truth():
    """Return N interactions far apart, with S1s of 100 PE and S2s of 1000 PE."""
    rng = np.random.default_rng(3)
    signals = np.zeros(2 * N, dtype=signal_dtype(2))
    s1, s2 = signals[::2], signals[1::2]
    s1["time"] = 1_000_000 * np.arange(N)
    s2["time"] = s1["time"] + 20_000
    s1["endtime"], s2["endtime"] = s1["time"] + 100, s2["time"] + 4000
    s1["type"], s2["type"] = Signal.S1, Signal.S2
    s1["expected_area"], s2["expected_area"] = 100, 1000
    s1["area"], s2["area"] = rng.poisson(100, N), rng.poisson(1000, N)
    signals["recorded_area"] = 0.99 * signals["area"]
    signals["event"] = np.repeat(np.arange(N), 2)
    signals["center_time"] = (signals["time"] + signals["endtime"]) / 2
    s2["drift_time"] = 21_900
    return signals


def perfect(signals):
    peaks = np.zeros(len(signals), dtype=PEAK)
    for name in ("time", "endtime", "center_time", "area", "type"):
        peaks[name] = signals[name]
    return peaks


def test_efficiency_by_area_with_an_interval_that_is_never_empty(truth):
    peaks = perfect(truth)[4:]  # the first two interactions are missed
    result = quality.efficiency(match(truth, peaks), Signal.S1, np.array([0, 50, 100, 1e4]))
    assert result.n[0] == 0
    assert result.n.sum() == N
    assert np.isnan(result.share[0])
    assert result.n_found.sum() == N - 2
    low, high = result.interval()
    assert (low[1:] < result.share[1:] + 1e-9).all()
    assert (high[1:] > result.share[1:] - 1e-9).all()
    assert (high > low).all()


@pytest.mark.parametrize(("factor", "smear"), [(1.0, 0.0), (0.97, 0.0), (1.0, 0.05)])
def test_area_response_has_bias_and_spread_that_were_put_in(truth, factor, smear):
    peaks = perfect(truth)
    rng = np.random.default_rng(4)
    peaks["area"] *= factor * (1 + smear * rng.standard_normal(len(peaks)))
    result = quality.area_response(match(truth, peaks), Signal.S1, np.array([50.0, 200.0, 400.0]))
    assert result.n.tolist() == [N, 0]
    assert result.bias[0] == pytest.approx(factor - 1, abs=3 * result.bias_error[0] + 1e-6)
    assert result.allowed[0] == pytest.approx(0.1, rel=0.1)
    expected = factor * (result.allowed[0] ** 2 + smear**2) ** 0.5
    assert result.resolution[0] == pytest.approx(expected, rel=0.05)
    ratio = result.resolution[0] / result.allowed[0]
    assert result.ratio[0] == ratio
    smeared = (factor**2 + (factor * smear) ** 2 / result.allowed[0] ** 2) ** 0.5
    assert ratio == pytest.approx(smeared, abs=4 * result.ratio_error[0] + 1e-6)
    assert result.unrecorded[0] == pytest.approx(0.01, rel=1e-3)
    assert np.isnan(result.bias[1])


def test_residuals_of_time_and_drift(truth):
    peaks = perfect(truth)
    peaks["center_time"][1::2] += 30
    matched = match(truth, peaks)
    assert set(quality.time_residuals(matched, Signal.S1, 10)) == {0}
    assert set(quality.time_residuals(matched, Signal.S2, 10)) == {30}
    events = np.zeros(N, dtype=[("s1_time", "i8"), ("s2_time", "i8"), ("drift_time", "f4")])
    events["s1_time"], events["s2_time"] = peaks["time"][::2], peaks["time"][1::2]
    events["drift_time"] = peaks["center_time"][1::2] - peaks["center_time"][::2]
    events["s1_time"][5] = -1
    result = quality.drift_residuals(matched, match_events(matched, events, 10, 200), events)
    assert len(result.of_light) == N - 1
    assert set(result.of_light) == {30}
    assert set(result.of_interaction) == {20_000 + 1950 + 30 - 21_900 + 0.0}


def test_confusion_counts_found_signals_by_type(truth):
    peaks = perfect(truth)
    peaks["type"][0] = 2
    peaks["type"][1] = 0
    peaks["area"][3] = 1
    matrix = quality.confusion(match(truth, peaks), {Signal.S1: 10, Signal.S2: 200})
    assert matrix.tolist() == [[0, N - 1, 1], [1, 0, N - 2], [0, 0, 0]]


def test_miscount_names_what_is_lost_doubled_and_invented(truth):
    peaks = perfect(truth)
    half = peaks[[7]]
    peaks["endtime"][7] = half["time"] = peaks["time"][7] + 2000
    half["area"] /= 3
    peaks["area"][7] /= 1.5
    extra = peaks[[0]]
    extra["time"], extra["endtime"] = 500_000, 500_100
    peaks = np.sort(np.concatenate([peaks[2:], half, extra]), order="time")
    result = quality.miscount(match(truth, peaks), {Signal.S1: 10, Signal.S2: 200})
    assert result.lost.tolist() == [0, 1]
    assert result.doubled.tolist() == [7]
    assert result.invented == 1
    assert result.overlapping == 0
    peaks["endtime"][0] = peaks["time"][1] + 1
    assert quality.miscount(match(truth, peaks), {Signal.S1: 10}).overlapping == 1
