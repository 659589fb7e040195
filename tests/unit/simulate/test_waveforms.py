from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xamsflow.simulate.records import MAX_ADC
from xamsflow.simulate.waveforms import ChannelElectronics, digitize

PMT = ChannelElectronics(
    channel=3,
    sample_width=2,
    measures_baseline=True,
    baseline=8240.0,
    amplification=-150.0,
    rise=1.2,
    fall=2.5,
    noise=0.0,
    pulse_length=500,
)
SLOW = replace(PMT, sample_width=10, amplification=-400.0)
SIPM = replace(PMT, amplification=1800.0, rise=4.0, fall=60.0)


def digitized(electronics, time, charge=1.0, seed=0):
    time = np.asarray(time, dtype=float)
    charges = np.broadcast_to(charge, len(time)).astype(float)
    return digitize(electronics, time, charges, np.random.default_rng(seed))


def waveform(pulses, number=0):
    start = int(pulses.position[number])
    return pulses.samples[start : start + int(pulses.length[number])].astype(int)


def charge(pulses, number=0):
    samples = waveform(pulses, number)
    return (samples - samples[0]).sum() / pulses.electronics.amplification


@pytest.mark.parametrize("electronics", [PMT, SLOW, SIPM])
@pytest.mark.parametrize("since", [0.0, 0.7, 1.999, 9.3])
def test_charge_is_kept_wherever_in_a_sample_it_comes(electronics, since):
    pulses = digitized(electronics, [50_000 + since], 20)
    assert len(pulses) == 1
    assert charge(pulses) == pytest.approx(20, rel=0.01)  # rounding to counts


def test_pulse_begins_48_samples_before_the_threshold_is_crossed():
    pulses = digitized(PMT, [50_000.0])
    over = np.flatnonzero(waveform(pulses)[0] - waveform(pulses) > 30)
    assert over[0] == 48
    assert pulses.length.tolist() == [500]
    assert pulses.time[0] == 50_000 - 2 * 48
    assert (pulses.time % 2 == 0).all()


def test_polarity_is_that_of_the_channel():
    assert waveform(digitized(SIPM, [50_000.0])).max() > 8240 + 20
    assert waveform(digitized(PMT, [50_000.0])).min() < 8240 - 40


def test_too_small_a_photoelectron_is_not_recorded_unless_another_opens_the_pulse():
    small, large = (50_200.0, 0.4), (50_000.0, 1.5)
    assert len(digitized(PMT, [small[0]], small[1])) == 0
    both = digitized(PMT, [large[0], small[0]], [large[1], small[1]])
    assert len(both) == 1
    assert charge(both) == pytest.approx(1.9, rel=0.02)
    assert both.contain(np.array([49_000.0, 50_000.0, 50_200.0, 51_000.0])).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_later_light_prolongs_a_pulse_in_steps_of_ten_samples():
    # A photoelectron is over threshold for one or two samples; 48 samples follow the last one.
    for since, expected in ((400, 500), (500, 550), (550, 600)):
        pulses = digitized(PMT, [50_000.0, 50_000.0 + 2 * (since - 48)], 1.2)
        assert len(pulses) == 1
        assert pulses.length[0] % 10 == 0
        if since < 450:
            assert pulses.length[0] == expected
        else:
            assert pulses.length[0] >= expected


def test_pulses_that_would_overlap_are_joined():
    # The second pulse would begin 10 samples after the first one's end, within the dead time.
    joined = digitized(PMT, [50_000.0, 50_000.0 + 2 * (500 + 10)])
    assert joined.length.tolist() == [1010]
    apart = digitized(PMT, [50_000.0, 50_000.0 + 2 * (500 + 30)])
    assert apart.length.tolist() == [500, 500]


@given(
    gaps=st.lists(st.floats(0, 4000), min_size=1, max_size=60),
    seed=st.integers(0, 100),
    electronics=st.sampled_from([PMT, replace(PMT, noise=5.0), replace(SLOW, noise=2.0)]),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_pulses_follow_each_other_with_a_gap_and_all_light_over_threshold_is_in_one(
    gaps, seed, electronics
):
    time = 100_000.0 + np.cumsum(gaps)
    pulses = digitized(electronics, time, 1.5, seed)
    assert (pulses.length >= 500).all()
    assert not (pulses.length % 10).any()
    assert (pulses.time[1:] - pulses.end[:-1] >= 23 * electronics.sample_width).all()
    assert (pulses.position >= 0).all()
    assert (pulses.position + pulses.length <= len(pulses.samples)).all()
    if electronics.noise < 5:
        assert pulses.contain(time).all()


def test_pulse_is_cut_at_the_largest_and_the_smallest_count():
    assert waveform(digitized(PMT, [50_000.0], 1000)).min() == 0
    assert waveform(digitized(SIPM, [50_000.0], 1000)).max() == MAX_ADC


def test_noise_is_as_asked_and_alone_opens_no_pulse():
    assert len(digitized(replace(PMT, noise=5.0), [50_000.0], 0.001)) == 0
    pulses = digitized(replace(PMT, noise=3.0), [50_000.0], 2)
    assert waveform(pulses)[:40].std() == pytest.approx(3, rel=0.3)


def test_no_light_gives_no_pulse_and_no_record():
    pulses = digitized(PMT, [])
    assert len(pulses) == 0
    records, pulse = pulses.records(110)
    assert len(records) == len(pulse) == 0
    assert pulses.contain(np.array([1.0])).tolist() == [False]


@pytest.mark.parametrize(("electronics", "baseline"), [(PMT, True), (SLOW, False)])
def test_records_hold_the_pulse_and_zeros_behind_it(electronics, baseline):
    electronics = replace(electronics, measures_baseline=baseline)
    pulses = digitized(electronics, [50_000.0, 60_000.0], 3)
    records, pulse = pulses.records(110)
    for number in range(len(pulses)):
        mine = records[pulse == number]
        assert mine["record_i"].tolist() == list(range(len(mine)))
        assert (np.diff(mine["time"]) == 110 * electronics.sample_width).all()
        assert mine["time"][0] == pulses.time[number]
        joined = mine["data"].ravel()
        assert (joined[: pulses.length[number]] == waveform(pulses, number)).all()
        assert not joined[pulses.length[number] :].any()
        assert abs(mine["baseline"][0] - (8240 if baseline else 0)) <= 3
        assert set(mine["channel"]) == {3}
        assert set(mine["dt"]) == {electronics.sample_width}
