import numpy as np
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun, truth
from xamsflow.simulate.records import fragments, record_dtype

NEGATIVE = detector.load("xamsl")
WITH_SIPM = detector.load("xams")
V1730, V1724 = (0, 1), (2, 3)
SAMPLES = np.arange(110)


@pytest.fixture(scope="module")
def records():
    return truth(SimulatedRun(932, NEGATIVE, duration=3, long_fraction=0.05))


@settings(derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 2000).map(lambda half: 2 * half), max_size=20),
    record_length=st.integers(1, 300).map(lambda half: 2 * half),
)
def test_pulses_are_cut_into_full_records_and_a_remainder(lengths, record_length):
    pulse, record_i, length = fragments(np.array(lengths, dtype=np.int64), record_length)

    expected = [
        (number, index, min(record_length, total - index * record_length))
        for number, total in enumerate(lengths)
        for index in range(-(-total // record_length))
    ]
    assert list(zip(pulse, record_i, length, strict=True)) == expected
    assert (length > 0).all()


@pytest.mark.parametrize("record_length", [2, 110, 116])
def test_record_is_laid_out_as_strax_reads_it(record_length):
    ours, theirs = record_dtype(record_length), np.dtype(strax.raw_record_dtype(record_length))

    assert ours.itemsize == theirs.itemsize
    for name in ours.names:
        assert ours.fields[name][:2] == theirs.fields[name][:2]


def test_fragments_of_a_pulse_share_all_but_time_length_and_samples(records):
    starts = records["time"] - records["record_i"].astype(int) * 110 * records["dt"]
    _, pulse = np.unique(np.array([records["channel"], starts]), axis=1, return_inverse=True)
    for one in np.split(np.argsort(pulse, kind="stable"), np.cumsum(np.bincount(pulse))[:-1]):
        fragment = records[one]
        assert list(fragment["record_i"]) == list(range(len(one)))
        assert fragment["length"].sum() == fragment["pulse_length"][0]
        for name in ("dt", "channel", "pulse_length", "baseline"):
            assert len(np.unique(fragment[name])) == 1


def test_padding_is_zero_and_samples_have_14_bits(records):
    padding = np.arange(110) >= records["length"][:, np.newaxis]
    assert padding.any()
    assert not records["data"][padding].any()
    assert records["data"].min() >= 0
    assert records["data"].max() < 2**14


def test_digitizers_differ_in_sample_width_and_baseline(records):
    fast = np.isin(records["channel"], V1730)
    slow = np.isin(records["channel"], V1724)
    assert (fast | slow).all()
    assert (records["dt"][fast] == 2).all()
    assert (records["dt"][slow] == 10).all()
    assert not records["baseline"][slow].any()
    assert (records["time"] % records["dt"] == 0).all()
    first = records[fast & (records["record_i"] == 0)]
    below_mean = first["data"][:, :40].mean(axis=1) - first["baseline"]
    assert below_mean.mean() == pytest.approx(0.5, abs=0.05)


def test_pulses_begin_48_samples_before_the_threshold_is_crossed(records):
    first = records[records["record_i"] == 0]
    baseline = first["data"][:, :40].mean(axis=1)
    crossing = (baseline[:, np.newaxis] - first["data"] > 30).argmax(axis=1)
    assert (crossing == 48).mean() > 0.99


def test_noise_is_as_requested():
    for noise in (0.0, 2.0, 7.0):
        records = truth(SimulatedRun(932, NEGATIVE, duration=1, noise=noise))
        before = records[records["record_i"] == 0]["data"][:, :40]
        rounding = 0 if noise == 0 else 1 / 12
        assert before.std(axis=1).mean() == pytest.approx((noise**2 + rounding) ** 0.5, rel=0.05)


def test_pulses_go_below_the_baseline_but_above_it_in_positive_channels():
    records = truth(SimulatedRun(932, WITH_SIPM, duration=0.5, noise=0))
    first = records[records["record_i"] == 0]
    assert set(first["channel"]) == set(range(8))
    largest = first["data"][:, 47:60].astype(int) - first["data"][:, :1]
    positive = first["channel"] >= 6
    assert (largest[positive].max(axis=1) > 30).all()
    assert (largest[~positive].min(axis=1) < -30).all()
    assert (largest[~positive].max(axis=1) == 0).all()


def test_prolonged_pulses_have_a_second_maximum(records):
    long = np.unique(records["pulse_length"])
    assert long[0] == 500
    assert len(long) > 5
    assert not (long % 10).any()

    noiseless = truth(SimulatedRun(932, NEGATIVE, duration=1, noise=0, long_fraction=1))
    for pulse_length in np.unique(noiseless["pulse_length"]):
        record_i, sample = divmod(int(pulse_length) - 49, 110)
        there = noiseless[
            (noiseless["pulse_length"] == pulse_length) & (noiseless["record_i"] == record_i)
        ]
        empty = there["data"][:, : there["length"].min()].max(axis=1)
        assert (empty - there["data"][:, sample] > 10).all()


def test_s2_like_pulses_are_long_and_wide():
    run = SimulatedRun(932, NEGATIVE, duration=1, s2_fraction=1, s2_width=2000, noise=0)
    records = truth(run)
    fast = records[records["channel"] == 0]
    assert fast["pulse_length"].min() >= 500 + 6 * 1000 / 2
    assert fast["pulse_length"].max() <= 500 + 6 * 3000 / 2 + 10
    assert (fast["pulse_length"] % 10 == 0).all()
    lowest = np.where(fast["length"][:, np.newaxis] > SAMPLES, fast["data"], 2**14).min(axis=1)
    below_half = lowest < fast["data"].max() - 20
    assert below_half.mean() > 0.5


def test_records_may_hold_only_two_samples():
    records = truth(SimulatedRun(932, NEGATIVE, duration=0.1, fragment_payload=4))
    assert records.dtype.itemsize == 28
    assert set(records["record_i"]) == set(range(250))
