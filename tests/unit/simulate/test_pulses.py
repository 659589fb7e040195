import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun
from xamsflow.simulate.pulses import FIRST_DATA, MIN_GAP, pulses_by_period

XAMSL = detector.load("xamsl")
SAMPLE_WIDTHS = np.array([2, 2, 10, 10])


def pulses_of(run):
    return [pulses for pulses, _ in pulses_by_period(run, SAMPLE_WIDTHS)]


@given(
    rate=st.sampled_from([0.0, 30.0, 3000.0, 100_000.0]),
    border_pulses=st.booleans(),
    s2_fraction=st.sampled_from([0.0, 0.3]),
    duration=st.floats(0.001, 0.2),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_pulses_of_a_channel_follow_each_other_with_a_gap(
    rate, border_pulses, s2_fraction, duration, seed
):
    run = SimulatedRun(
        932,
        XAMSL,
        rate=rate,
        border_pulses=border_pulses,
        s2_fraction=s2_fraction,
        duration=duration,
        seed=seed,
        chunk_length=0.05,
        chunk_overlap=0.01,
    )
    busy_until = np.zeros(4)
    for period, pulses in enumerate(pulses_of(run)):
        begin = period * run.period_ns
        assert (pulses.time >= begin).all()
        assert (pulses.time < begin + run.period_ns).all()
        assert (pulses.event >= begin).all()
        assert (pulses.event < begin + run.period_ns).all()
        assert (pulses.time % SAMPLE_WIDTHS[pulses.input] == 0).all()
        assert not (pulses.length % 10).any()
        assert (pulses.end(SAMPLE_WIDTHS) <= run.duration_ns).all()
        order = np.lexsort((pulses.input, pulses.event))
        assert (order == np.arange(len(pulses))).all()
        for channel, width in enumerate(SAMPLE_WIDTHS):
            mine = pulses[pulses.input == channel]
            ends = mine.end(SAMPLE_WIDTHS) + MIN_GAP * width
            before = np.concatenate([[busy_until[channel]], ends])[:-1]
            assert (mine.time >= before).all()
            busy_until[channel] = max([busy_until[channel], *ends])


@pytest.mark.parametrize("rate", [0.0, 5000.0])
def test_border_pulses_lie_across_every_border_of_every_channel(rate):
    run = SimulatedRun(
        932,
        XAMSL,
        rate=rate,
        border_pulses=True,
        duration=0.1,
        chunk_length=0.008,
        chunk_overlap=0.002,
        s2_fraction=0.1,
    )
    pulses = pulses_of(run)
    time = np.concatenate([one.time for one in pulses])
    end = np.concatenate([one.end(SAMPLE_WIDTHS) for one in pulses])
    channel = np.concatenate([one.input for one in pulses])
    borders = [
        border
        for begin in range(0, run.duration_ns, run.period_ns)
        for border in (begin + run.chunk_ns, begin + run.period_ns)
        if border < run.duration_ns
    ]
    assert len(borders) == 19
    for border in borders:
        assert set(channel[(time < border) & (border < end)]) == {0, 1, 2, 3}
    if rate == 0:
        assert len(time) == 4 * len(borders)


def test_border_pulses_have_records_that_stick_out_and_some_that_do_not():
    run = SimulatedRun(932, XAMSL, rate=0, border_pulses=True, duration=12)
    since = {
        int((one.time[i] - border) / SAMPLE_WIDTHS[one.input[i]])
        for one in pulses_of(run)
        for i in range(len(one))
        for border in (5e9, 5.5e9, 10.5e9, 11e9)
        if abs(one.time[i] - border) < 1e4
    }
    assert since == {-110, -146, -498, -2}


def test_rate_is_that_of_each_channel():
    run = SimulatedRun(932, XAMSL, rate=400, duration=30)
    counts = sum(np.bincount(pulses.input, minlength=4) for pulses in pulses_of(run))
    assert counts == pytest.approx(400 * 30, rel=0.05)


def test_most_pulses_of_a_channel_have_a_partner_in_the_other():
    (pulses,) = pulses_of(SimulatedRun(932, XAMSL, duration=5))
    first, second = (pulses.time[pulses.input == channel] for channel in (0, 1))
    nearest = np.abs(first[:, np.newaxis] - second).min(axis=1)
    assert 0.8 < (nearest <= 10).mean() < 0.9


def test_data_begin_some_milliseconds_after_the_start():
    (pulses,) = pulses_of(SimulatedRun(932, XAMSL, rate=10_000, duration=0.01))
    assert FIRST_DATA <= pulses.time.min() < FIRST_DATA + 1_000_000
