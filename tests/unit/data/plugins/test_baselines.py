from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_made import BASELINE, DT, N_SAMPLES, pulse, together
from xamsflow.data.plugins import baselines

Array = npt.NDArray[Any]

POSITIVE = [2]
BASELINE_SAMPLES = 40
MAX_RMS = 5
HEIGHT, BEFORE = 15, 3


def above_baseline(raw: Array, chosen: Array) -> tuple[Array, Array]:
    return baselines.above_baseline(
        raw,
        chosen,
        strax.record_dtype(N_SAMPLES),
        POSITIVE,
        baseline_samples=BASELINE_SAMPLES,
        max_rms=MAX_RMS,
        rise=(HEIGHT, BEFORE),
    )


def raw_of(seed: int, n_pulses: int) -> Array:
    """Return raw records of pulses of any length, quiet and busy, some with their own baseline."""
    random = np.random.default_rng(seed)
    made = []
    for channel in range(3):
        time = 1000
        for _ in range(n_pulses):
            light = random.integers(0, 40) * random.random(random.integers(1, 3 * N_SAMPLES)) ** 2
            baseline = BASELINE + random.random() * random.choice([1, 50])
            before = int(random.integers(0, 48))
            raw = pulse(
                time,
                channel,
                light,
                baseline=baseline,
                before=before,
                after=0,
                upwards=channel == 2,
            )
            raw["baseline"] = random.choice([0, round(baseline + random.normal(0, 3))])
            time = int(strax.endtime(raw)[-1]) + 50 * DT
            made.append(raw)
    return together(*made)


def by_strax(raw: Array) -> Array:
    """Return what strax's functions and numpy make of raw records, each step for all records."""
    made = np.zeros(len(raw), strax.record_dtype(N_SAMPLES))
    for name in raw.dtype.names:
        made[name] = raw[name]
    mirrored = np.isin(made["channel"], POSITIVE)
    made["data"][mirrored] = baselines.MAX_ADC - made["data"][mirrored]
    for i in np.flatnonzero((made["length"] < BASELINE_SAMPLES) & (made["record_i"] == 0)):
        length = made["length"][i]
        made["data"][i, length:] = round(made["data"][i, :length].mean())
    strax.baseline(made, baseline_samples=BASELINE_SAMPLES, flip=True)
    without_own(made, raw)
    mean = made["baseline"].copy()
    measured = raw["baseline"] + np.float32(baselines.TRUNCATED)
    measured[mirrored] = baselines.MAX_ADC - measured[mirrored]
    busy = made["baseline_rms"] > MAX_RMS
    near = np.abs(measured - mean) <= baselines.SAME_BASELINE
    better = np.where(busy, measured, (mean + measured) / 2)
    made["baseline"] = np.where((raw["baseline"] > 0) & (busy | near), better, mean)
    shift = np.floor(made["baseline"]) - np.floor(mean)
    made["data"] += shift.astype(np.int16)[:, np.newaxis]
    strax.zero_out_of_bounds(made)
    return made


def before_rise(samples: Array) -> Array:
    """Return the first samples of a pulse, up to BEFORE samples before they are HEIGHT lower."""
    samples = samples[:BASELINE_SAMPLES].astype(float)
    for i in range(1, len(samples)):
        if samples[:i].mean() - samples[i] >= HEIGHT:
            return samples[: max(i - BEFORE, 1)]
    return samples


def without_own(made: Array, raw: Array) -> None:
    """Correct strax's baselines where the digitizer measured none, record by record."""
    last: dict[int, int] = {}
    for i in range(len(made)):
        channel = int(made["channel"][i])
        if made["record_i"][i] == 0:
            last[channel] = i
            if raw["baseline"][i] == 0:
                samples = raw["data"][i, : raw["length"][i]]
                samples = baselines.MAX_ADC - samples if channel in POSITIVE else samples
                quiet = before_rise(samples)
                shift = int(quiet.mean()) - int(made["baseline"][i])
                made["baseline"][i], made["baseline_rms"][i] = quiet.mean(), quiet.std()
                made["data"][i] += shift
                last[channel] = i
        elif raw["baseline"][i] == 0:
            first = last[channel]
            shift = int(made["baseline"][first]) - int(made["baseline"][i])
            made["data"][i] += shift
            for name in ("baseline", "baseline_rms"):
                made[name][i] = made[name][first]


@settings(deadline=None)  # strax compiles
@given(seed=st.integers(0, 2**32), n_pulses=st.integers(0, 8))
def test_records_equal_those_of_strax(seed: int, n_pulses: int) -> None:
    raw = raw_of(seed, n_pulses)
    chosen = np.flatnonzero(raw["channel"] != 1)
    made, _ = above_baseline(raw, chosen)
    expected = by_strax(raw[chosen])
    for name in made.dtype.names:
        assert np.array_equal(made[name], expected[name]), name


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), lost=st.floats(0, 1))
def test_only_records_after_a_lost_start_lack_their_start(seed: int, lost: float) -> None:
    raw = raw_of(seed, 4)
    pulse_time = raw["time"] - raw["record_i"] * np.int64(N_SAMPLES * DT)
    pulses = list(zip(raw["channel"].tolist(), pulse_time.tolist(), strict=True))
    is_there = np.random.default_rng(seed).random(len(raw)) >= lost
    starts = {
        one
        for one, fragment, there in zip(pulses, raw["record_i"], is_there, strict=True)
        if there and fragment == 0
    }
    expected = [one in starts for one, there in zip(pulses, is_there, strict=True) if there]
    assert baselines.starts_are_there(raw[is_there]).tolist() == expected


@pytest.mark.parametrize("upwards", [False, True])
@pytest.mark.parametrize("before", [12, 16, 20, 25, 30, 40, 48])
def test_a_baseline_uses_the_samples_before_the_rise(before: int, upwards: bool) -> None:
    light = np.full(60, 300.0)
    channel = POSITIVE[0] if upwards else 0
    raw = pulse(1000, channel, light, baseline=8000, before=before, upwards=upwards)
    made, is_doubtful = above_baseline(raw, np.arange(len(raw)))
    assert not is_doubtful.any()
    assert made["data"].sum() == 300 * len(light)
    level = baselines.MAX_ADC - 8000 if upwards else 8000
    assert (made["baseline"] == level).all()


def test_a_baseline_without_quiet_samples_is_doubtful() -> None:
    random = np.random.default_rng(1)
    early = pulse(1000, 0, np.full(60, 300.0), before=8)  # 5 samples are before the hitlet
    noisy = pulse(20_000, 0, random.normal(0, 8, 100), before=0)
    own = pulse(40_000, 0, np.full(60, 300.0), before=8)
    own["baseline"] = 8000
    fine = pulse(60_000, 0, np.full(60, 300.0))
    raw = together(early, noisy, own, fine)
    _, is_doubtful = above_baseline(raw, np.arange(len(raw)))
    assert raw["time"][is_doubtful].tolist() == [early["time"][0], noisy["time"][0]]
