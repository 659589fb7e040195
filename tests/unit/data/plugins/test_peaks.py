from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strax

from hand_made import DT, GAINS, Made, made_of, pauses, pulse, square, together, xams
from xamsflow.data.plugins import hits
from xamsflow.settings.detector import Detector


def with_signals(**changes: Any) -> Detector:
    one = xams()
    assert one.tpc is not None
    return replace(one, tpc=replace(one.tpc, signals=replace(one.tpc.signals, **changes)))


def test_a_peak_with_known_properties() -> None:
    made = made_of(pulse(1000, 0, square(100, 20)), pulse(1000, 2, square(50, 20)))
    (peak,) = made["peaks"]
    assert peak["area"] == pytest.approx(2000 * 0.01 + 1000 * 0.02)
    assert peak["area_per_channel"] == pytest.approx([20, 0, 20, 0, 0])
    assert peak["area_fraction_top"] == pytest.approx(0.5)
    # The hit of 40 ns, with 3 samples before and 20 behind.
    assert peak["time"] == 1000 - 3 * DT
    assert peak["dt"] == DT
    assert peak["length"] == 3 + 20 + 20
    assert peak["data"][:43] == pytest.approx([0] * 3 + [2] * 20 + [0] * 20)
    assert peak["center_time"] == 1000 + 20
    assert peak["median_time"] == pytest.approx(3 * DT + 20)
    assert peak["width"][[5, 9]] == pytest.approx([20, 36], abs=1e-3)
    assert peak["n_hits"] == 2
    assert peak["tight_coincidence"] == 2
    assert peak["n_saturated_channels"] == 0

    (basics,) = made["peak_basics"]
    assert basics["endtime"] == peak["time"] + 43 * DT
    assert basics["area"] == peak["area"]
    assert basics["n_channels"] == 2
    assert basics["range_50p_area"] == pytest.approx(20)
    assert basics["range_90p_area"] == pytest.approx(36)
    assert basics["rise_time"] == pytest.approx(16)
    assert basics["max_pmt"] in (0, 2)
    assert basics["max_pmt_area"] == pytest.approx(20)


@pytest.mark.parametrize(("gap", "n_peaks"), [(298, 1), (300, 2), (302, 2)])
def test_a_pause_ends_a_peak(gap: int, n_peaks: int) -> None:
    extensions = (3 + 20) * DT
    second = 1000 + 20 * DT + gap + extensions
    peaks = made_of(pulse(1000, 0, square()), pulse(second, 1, square()))["peaks"]
    assert len(peaks) == n_peaks
    assert peaks["area"].sum() == pytest.approx(20 + 40)
    assert peaks["n_hits"].sum() == 2


def test_a_peak_is_split_at_a_deep_minimum() -> None:
    signal = np.concatenate([square(4000), square(100), square(3000)])
    made = made_of(pulse(1000, 0, signal))
    first, second = made["peaks"]
    assert strax.endtime(made["peaks"])[0] == second["time"]
    assert 1000 + 20 * DT <= second["time"] <= 1000 + 40 * DT
    assert first["area"] + second["area"] == pytest.approx(signal.sum() * 0.01)
    assert first["n_hits"] + second["n_hits"] == 1


def test_the_last_part_of_a_split_peak_ends_before_the_next_peak() -> None:
    # Long enough for stored samples of 600 ns, more than the pause behind it.
    signal = np.concatenate([square(4000, 60), square(100, 59_000), square(4000, 950)])
    following = 1000 + len(signal) * DT + 20 * DT + 310
    peaks = made_of(pulse(1000, 0, signal), pulse(following, 1, square()))["peaks"]
    assert len(peaks) == 3
    assert peaks["dt"].max() > 310
    assert (peaks["time"][1:] >= strax.endtime(peaks)[:-1]).all()
    assert peaks["area"].sum() == pytest.approx(signal.sum() * 0.01 + 40, rel=1e-4)


@pytest.mark.parametrize("minimum", [1600, 3000])
def test_a_peak_is_not_split_at_a_shallow_minimum(minimum: int) -> None:
    # Neither 25 PE lower than the lower maximum (30 PE per sample) nor 4 times.
    signal = np.concatenate([square(4000), square(minimum), square(3000)])
    assert len(made_of(pulse(1000, 0, signal))["peaks"]) == 1


def test_a_long_peak_is_downsampled_and_keeps_its_area() -> None:
    sigma = 500.0  # samples
    signal = 200 * np.exp(-0.5 * ((np.arange(3000) - 1500) / sigma) ** 2)
    made = made_of(pulse(10_000, 0, signal))
    (peak,) = made["peaks"]
    assert peak["dt"] > DT
    assert peak["length"] <= 200
    kept = np.rint(signal)[np.rint(signal) >= 15].sum() * 0.01
    assert peak["area"] == pytest.approx(kept, rel=0.02)
    # Of a Gaussian, the central half is 1.349 standard deviations wide.
    assert made["peak_basics"]["range_50p_area"][0] == pytest.approx(1.349 * sigma * DT, rel=0.03)
    assert peak["center_time"] == pytest.approx(10_000 + 1500 * DT, abs=10)


def test_saturated_channels_are_named() -> None:
    made = made_of(pulse(1000, 0, square(20_000)), pulse(1000, 1, square()))
    (peak,) = made["peaks"]
    assert peak["saturated_channel"].tolist() == [1, 0, 0, 0, 0]
    assert peak["n_saturated_channels"] == 1
    assert made["peak_basics"]["n_saturated_channels"].tolist() == [1]


def test_channels_that_are_late_do_not_count_as_coincident() -> None:
    (peak,) = made_of(pulse(1000, 0, square(500)), pulse(1200, 1, square(20)))["peaks"]
    assert peak["tight_coincidence"] == 1
    assert peak["n_hits"] == 2


def test_peaks_that_are_too_small() -> None:
    raw = (pulse(1000, 0, square(100)), pulse(5000, 0, square(50)), pulse(5000, 1, square(50)))
    assert made_of(*raw, one=with_signals(min_area=21))["peaks"]["time"].tolist() == [4994]
    assert made_of(*raw, one=with_signals(min_channels=2))["peaks"]["time"].tolist() == [4994]


def test_other_channels_have_separate_peaks() -> None:
    made = made_of(
        pulse(1000, 0, square()),
        pulse(1000, 5, square()),
        pulse(3000, 6, square(), upwards=True),
    )
    assert made["peaks"]["area"] == pytest.approx([20])
    external, sipm = made["peaks_external"], made["peaks_sipm"]
    assert external["area"] == pytest.approx([2000 * 0.0178])
    assert external["area_per_channel"].shape == (1, 1)
    assert np.isnan(external["area_fraction_top"]).all()
    assert sipm["area"] == pytest.approx([2000 * 0.00063])
    assert sipm["time"].tolist() == [3000 - 3 * DT]
    assert made["peak_basics_sipm"]["max_pmt"].tolist() == [6]


def test_channels_need_not_begin_at_zero_nor_be_in_order() -> None:
    one = xams()
    assert one.tpc is not None
    signals = replace(one.tpc.signals, channels=(4, 2, 3, 1, 0))
    made = made_of(
        pulse(1000, 2, square()), one=replace(one, tpc=replace(one.tpc, signals=signals))
    )
    assert made["peaks"]["area_per_channel"][0] == pytest.approx([0, 40, 0, 0, 0])
    assert made["peak_basics"]["max_pmt"].tolist() == [2]


def test_samples_of_another_width() -> None:
    made = made_of(
        pulse(10_000, 0, square(100, 20), dt=10), pulse(10_020, 1, square(100, 150), dt=10)
    )
    (peak,) = made["peaks"]
    assert peak["time"] == 10_000 - 3 * 10
    assert peak["dt"] == 10
    assert peak["length"] == 3 + 2 + 150 + 20
    assert peak["area"] == pytest.approx(20 + 150 * 2)


def test_signal_without_end_is_cut_into_peaks_that_do_not_overlap() -> None:
    n_samples = 20_000
    length = n_samples * DT
    raw = [
        pulse(1000 + i * length // 2, i % 2, square(100, n_samples), before=40, after=0)
        for i in range(510)
    ]
    # Pulses of a channel follow one another closely; with those of the other there is no pause.
    for i, records in enumerate(raw):
        records["time"] += (i // 2) * 200
    made = made_of(*raw, end=30_000_000)
    peaks = made["peaks"]
    assert len(peaks) == 2
    assert (peaks["time"][1:] >= strax.endtime(peaks)[:-1]).all()
    assert peaks["area"].sum() == pytest.approx(510 * n_samples * 100 * 0.015, rel=1e-3)


def simulated(seed: int) -> npt.NDArray[Any]:
    """Return S1s and S2s with noise; S2s are several pulses, and pile up."""
    rng = np.random.default_rng(seed)
    raw = []
    free = np.full(5, 5000)
    time = 5000
    while time < 1_500_000:
        time += int(rng.choice([400, 3000, 60_000]) * rng.exponential()) // DT * DT
        width = int(rng.choice([8, 300]))
        n_samples = 6 * width
        shape = np.exp(-0.5 * ((np.arange(n_samples) - 3 * width) / width) ** 2)
        for channel in range(5):
            if rng.random() < 0.2 or time < free[channel]:
                continue
            start = time + int(rng.integers(20)) * DT
            signal = rng.poisson(rng.choice([40, 400, 9000]) * shape)
            noise = rng.normal(8000, 2, len(signal) + 96)
            raw.append(pulse(start, channel, signal, baseline=noise))
            free[channel] = start + (len(signal) + 2 * 96) * DT
    return together(*raw)


@pytest.mark.parametrize("seed", range(3))
def test_chunks_do_not_matter(seed: int) -> None:
    records = simulated(seed)
    end = int(strax.endtime(records).max()) + 1_000_000
    rng = np.random.default_rng(seed)
    possible = pauses(records, end)
    assert len(possible) > 10
    expected = Made({"raw_records_v1730": records}, [0, end])
    types = expected["peaks"]["type"]
    assert {1, 2} <= set(types)
    assert len(expected["events"]) > 1
    chunkings = [possible, rng.choice(possible, 5, replace=False), possible[::3] - 999]
    for borders in chunkings:
        made = Made({"raw_records_v1730": records}, [0, *sorted(borders), end])
        for data_type in ("records", "peaks", "peak_positions", "events", "event_info"):
            ours, theirs = made[data_type], expected[data_type]
            assert len(ours) == len(theirs)
            for name in ours.dtype.names:
                np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_invariants_of_peaks(seed: int) -> None:
    raw = simulated(seed)
    made = Made({"raw_records_v1730": raw}, [0, int(strax.endtime(raw).max())])
    records, peaks = made["records"], made["peaks"]
    start, end = peaks["time"], strax.endtime(peaks)
    assert (end > start).all()
    assert (start[1:] >= end[:-1]).all()
    assert start[0] >= raw["time"].min()
    assert end[-1] <= strax.endtime(raw).max()
    # Each hit is in exactly one peak, and the area is that of the records.
    hits = strax.sort_by_time(strax.find_hits(records, min_amplitude=15))
    peak = np.searchsorted(start, hits["time"], "right") - 1
    # A long peak with another one close behind it may end one of its own samples early.
    assert (hits["time"] < end[peak] + peaks["dt"][peak]).all()
    assert np.array_equal(np.bincount(peak, minlength=len(peaks)), peaks["n_hits"])
    gains = np.array(GAINS)
    assert peaks["area"].sum() == pytest.approx(
        (records["area"] * gains[records["channel"]]).sum(), rel=1e-4
    )
    assert peaks["area_per_channel"].sum(axis=1) == pytest.approx(peaks["area"], rel=1e-3, abs=0.1)
    center = made["peak_basics"]["center_time"]
    assert ((start <= center) & (center <= end)).all()


def test_peaks_take_over_the_hits_of_records_made_along_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = []

    def find(records: npt.NDArray[Any], *args: Any) -> npt.NDArray[Any]:
        searched.append(len(records))
        return find_hits(records, *args)

    find_hits = hits.find_hits
    monkeypatch.setattr(hits, "find_hits", find)
    pulses = [pulse(time, 0, square(100, 20)) for time in (1000, 500_000)]
    made = made_of(*pulses, borders=[100_000])
    assert len(made["peaks"]) == len(searched) == len(pulses)

    alone = Made({"records": made["records"]}, [0, 10_000_000])
    searched.clear()
    assert np.array_equal(alone["peaks"], made["peaks"])
    assert searched[0] == len(made["records"])


def test_no_peaks() -> None:
    made = made_of(end=1000)
    noise = np.random.default_rng(0).normal(8000, 2, 500)
    only_noise = made_of(
        *(
            pulse(i * 10_000 + 1000, i % 5, [], baseline=noise, before=500, after=0)
            for i in range(20)
        )
    )
    for one in (made, only_noise):
        for data_type in (
            "peaks",
            "peak_basics",
            "peak_positions",
            "events",
            "event_info",
            "peaks_sipm",
        ):
            assert len(one[data_type]) == 0
