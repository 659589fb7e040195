import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xamsflow.simulate import Signal
from xamsflow.simulate.physics.matching import NONE, match, match_events, since
from xamsflow.simulate.signals import signal_dtype

PEAK = np.dtype(
    [
        ("time", "<i8"),
        ("endtime", "<i8"),
        ("center_time", "<i8"),
        ("area", "<f4"),
        ("type", "i1"),
        ("rise_time", "<f4"),
    ]
)
EVENT = np.dtype(
    [
        ("time", "<i8"),
        ("s1_time", "<i8"),
        ("s2_time", "<i8"),
        ("alt_s1_center_time", "<i8"),
        ("drift_time", "<f4"),
    ]
)


def signals_of(*rows):
    """Return signals from (time, endtime, area, kind, event)."""
    result = np.zeros(len(rows), dtype=signal_dtype(2))
    for signal, (time, endtime, area, kind, event) in zip(result, rows, strict=True):
        signal["time"], signal["endtime"], signal["area"] = time, endtime, area
        signal["type"], signal["event"] = kind, event
        signal["center_time"] = (time + endtime) / 2
        signal["expected_area"] = signal["recorded_area"] = area
    return result


def peaks_of(*rows):
    """Return peaks from (time, endtime, area, type)."""
    result = np.zeros(len(rows), dtype=PEAK)
    for peak, (time, endtime, area, kind) in zip(result, rows, strict=True):
        peak["time"], peak["endtime"], peak["area"], peak["type"] = time, endtime, area, kind
        peak["center_time"] = (time + endtime) // 2
    return result


S1, S2, DARK = Signal.S1, Signal.S2, Signal.DARK_COUNT


def test_signal_gets_the_peak_that_overlaps_and_is_largest():
    signals = signals_of((100, 200, 50, S1, 0), (5000, 9000, 500, S2, 0))
    peaks = peaks_of((95, 210, 48, 1), (4000, 4500, 3, 0), (4900, 5100, 4, 0), (5150, 9100, 490, 2))
    matched = match(signals, peaks)
    assert matched.peak.tolist() == [0, 3]
    assert matched.is_found.tolist() == [True, True]
    assert matched.n_peaks.tolist() == [1, 1]
    assert matched.signal.tolist() == [0, NONE, 1, 1]


def test_signal_without_peak_is_lost_and_the_one_in_two_pieces_doubled():
    signals = signals_of((100, 200, 50, S1, 0), (5000, 9000, 500, S2, 0))
    peaks = peaks_of((5000, 7000, 280, 2), (7000, 9000, 210, 2))
    matched = match(signals, peaks)
    assert matched.peak.tolist() == [NONE, 0]
    assert matched.is_found.tolist() == [False, True]
    assert matched.n_peaks.tolist() == [0, 2]


def test_intervals_that_only_touch_do_not_overlap():
    # A signal's last photoelectron belongs to it; a peak's end does not belong to the peak.
    signals = signals_of((100, 200, 50, S1, 0))
    assert match(signals, peaks_of((50, 100, 50, 1))).peak.tolist() == [NONE]
    assert match(signals, peaks_of((201, 300, 50, 1))).peak.tolist() == [NONE]
    assert match(signals, peaks_of((200, 300, 50, 1))).peak.tolist() == [0]


def test_signal_swallowed_by_a_larger_one_is_not_found():
    signals = signals_of((5000, 9000, 500, S2, 0), (6000, 6100, 30, S1, 1))
    matched = match(signals, peaks_of((4900, 9100, 530, 2)))
    assert matched.peak.tolist() == [0, 0]
    assert matched.is_found.tolist() == [True, False]
    assert matched.signal.tolist() == [0]
    assert matched.is_alone.tolist() == [False, False]


def test_nearby_relevant_signals_count_as_company():
    signals = signals_of(
        (1000, 2000, 1000, S2, 0), (1500, 1500, 1, DARK, -1), (4000, 4001, 1, DARK, -1)
    )
    assert match(signals, peaks_of()).is_alone.tolist() == [True, False, True]
    signals["area"][0] = 10
    assert match(signals, peaks_of()).is_alone.tolist() == [False, False, True]


@given(
    starts=st.lists(st.integers(0, 50), max_size=8),
    lengths=st.lists(st.integers(0, 60), min_size=8, max_size=8),
    gaps=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)), max_size=8),
)
@settings(deadline=None, derandomize=True)
def test_matching_is_that_of_comparing_all_with_all(starts, lengths, gaps):
    starts = sorted(starts)
    signals = signals_of(
        *((s, s + n, 10 + i, S1, i) for i, (s, n) in enumerate(zip(starts, lengths, strict=False)))
    )
    rows, time = [], 0
    for i, (gap, length) in enumerate(gaps):
        rows.append((time + gap, time + gap + length, 5 + (7 * i) % 11 + i / 10, 1))
        time += gap + length
    peaks = peaks_of(*rows)
    matched = match(signals, peaks)
    for i, signal in enumerate(signals):
        overlapping = [
            k
            for k, peak in enumerate(peaks)
            if peak["time"] <= signal["endtime"] and peak["endtime"] > signal["time"]
        ]
        best = max(overlapping, key=lambda k: peaks["area"][k], default=NONE)
        assert matched.peak[i] == best
        company = [
            k
            for k, other in enumerate(signals)
            if k != i
            and other["time"] <= signal["endtime"] + 1000
            and other["endtime"] >= signal["time"] - 1000
        ]
        assert matched.is_alone[i] == (not company)


def test_event_is_that_of_the_s2_and_right_with_the_right_s1():
    signals = signals_of(
        (100, 200, 50, S1, 7),
        (1000, 1100, 60, S1, 8),
        (10_000, 14_000, 500, S2, 7),
        (20_000, 24_000, 700, S2, 8),
        (30_000, 34_000, 700, S2, 9),
    )
    peaks = peaks_of(
        (100, 200, 50, 1),
        (1000, 1100, 60, 1),
        (10_000, 14_000, 500, 2),
        (20_000, 24_000, 700, 2),
        (30_000, 34_000, 700, 2),
    )
    events = np.array(
        [(90, 1000, 10_000, 0, 0), (95, 1000, 20_000, 0, 0), (96, -1, 30_000, 0, 0)], dtype=EVENT
    )
    found = match_events(match(signals, peaks), events, min_s1=10, min_s2=200)
    assert found.s1.tolist() == [0, 1]
    assert found.s2.tolist() == [2, 3]
    assert found.event.tolist() == [0, 1]
    assert found.is_right.tolist() == [False, True]
    none = match_events(match(signals, peaks), events[:0], 10, 200)
    assert none.event.tolist() == [NONE, NONE]
    assert not none.is_right.any()


@pytest.mark.parametrize("n", [0, 2])
def test_nothing_reconstructed_or_nothing_there(n):
    signals = signals_of(*[(100, 200, 50, S1, 0), (5000, 9000, 500, S2, 0)][:n])
    matched = match(signals, peaks_of())
    assert matched.peak.tolist() == [NONE] * n
    assert not matched.is_found.any()
    invented = match(signals_of(), peaks_of((1, 2, 3, 1)))
    assert invented.signal.tolist() == [NONE]


def test_times_count_from_the_start_but_differences_stay():
    peaks = peaks_of((1100, 1200, 5, 1))
    peaks["rise_time"] = 7
    moved = since(1000, peaks)
    assert moved[["time", "endtime", "center_time"]].tolist() == [(100, 200, 150)]
    assert moved["rise_time"] == 7
    assert peaks["time"] == 1100
    events = np.array([(1090, 1100, 1500, 1300, 400)], dtype=EVENT)
    assert since(1000, events).tolist() == [(90, 100, 500, 300, 400)]
