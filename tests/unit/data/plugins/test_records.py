import numpy as np
import pytest

from hand_made import BASELINE, BEFORE, DT, N_SAMPLES, made_of, pulse, square
from xamsflow.data.plugins.baselines import MAX_ADC


def test_area_of_a_pulse_with_known_area() -> None:
    records = made_of(pulse(1000, 0, square(100, 20)))["records"]
    assert len(records) == 2
    assert records["area"].tolist() == [2000, 0]
    assert records["baseline"].tolist() == [BASELINE] * 2
    assert records["baseline_rms"].tolist() == [0] * 2
    assert records["data"][0, BEFORE : BEFORE + 20].tolist() == [100] * 20
    assert records["data"].sum() == 2000


def test_samples_far_from_hits_are_left_out() -> None:
    signal = np.zeros(100)
    signal[30:40] = 100  # over threshold
    signal[[26, 27, 59, 60]] = 10  # below; one sample too far from the hit, then just within it
    records = made_of(pulse(1000, 0, signal))["records"]
    assert records["area"].sum() == 10 * 100 + 2 * 10
    assert sorted(np.unique(records["data"])) == [0, 10, 100]


def test_the_baseline_keeps_its_fraction() -> None:
    baseline = np.where(np.arange(BEFORE + 20 + BEFORE) % 2, BASELINE, BASELINE + 1)
    records = made_of(pulse(1000, 0, square(100, 20), baseline=baseline))["records"]
    assert records["baseline"][0] == BASELINE + 0.5
    # 3 + 20 + 20 samples are kept; the odd one out is the 23rd or 43rd.
    assert abs(records["area"].sum() - 2000) <= 1
    assert records["baseline_rms"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("at", [40, 61, 70])
def test_a_hit_at_the_border_of_records_is_kept_whole(at: int) -> None:
    signal = np.zeros(100)
    signal[at - 2 : at + 2] = [20, 200, 300, 14]
    records = made_of(pulse(1000, 0, signal))["records"]
    assert records["area"].sum() == 20 + 200 + 300 + 14
    assert np.array_equal(records["area"], records["data"].sum(axis=1))


def test_positive_pulses_come_out_like_negative_ones() -> None:
    made = made_of(
        pulse(1000, 5, square()), pulse(1000, 6, square(), upwards=True, baseline=BASELINE + 0.4)
    )
    external, sipm = made["records_external"], made["records_sipm"]
    assert external["area"].tolist() == sipm["area"].tolist() == [2000, 0]
    assert np.array_equal(external["data"], sipm["data"])
    assert set(sipm["channel"]) == {6}


@pytest.mark.parametrize(("channel", "upwards"), [(0, False), (6, True)])
def test_the_digitizers_baseline_where_a_pulse_begins_with_light(
    channel: int, upwards: bool
) -> None:
    light = np.concatenate([square(500, 10), np.zeros(30), square(100, 20)])
    raw = pulse(1000, channel, light, upwards=upwards, before=0, baseline=BASELINE + 0.5)
    raw["baseline"] = BASELINE
    records = made_of(raw)["records" if channel == 0 else "records_sipm"]
    assert records["baseline"][0] % 1 == 0.5
    # Its fraction is not known: half a count in each of some 70 samples.
    assert records["area"].sum() == pytest.approx(5000 + 2000, abs=40)
    raw["baseline"] = 0  # as of a V1724, which does not measure it: the pulse has to do
    records = made_of(raw)["records" if channel == 0 else "records_sipm"]
    assert records["area"].sum() < 5000


@pytest.mark.parametrize(("channel", "upwards"), [(0, False), (6, True)])
@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (BASELINE - 1, -0.25),  # it cut half a count off, on average
        (BASELINE, 0.25),
        (BASELINE + 2, 1.25),
        (BASELINE + 20, 0),  # of another time
        (0, 0),  # not measured
    ],
)
def test_the_baseline_of_a_quiet_pulse_is_the_mean_of_two(
    channel: int, upwards: bool, own: int, expected: float
) -> None:
    raw = pulse(1000, channel, square(100, 20), upwards=upwards)
    raw["baseline"] = own
    records = made_of(raw)["records" if channel == 0 else "records_sipm"]
    mirrored = MAX_ADC - BASELINE - expected if upwards else BASELINE + expected
    assert set(records["baseline"]) == {mirrored}
    n_kept = 3 + 20 + 20
    higher = -expected if upwards else expected
    assert records["area"].sum() == pytest.approx(2000 + n_kept * higher, abs=1)


def test_a_pulse_that_is_shorter_than_the_window_of_its_baseline() -> None:
    records = made_of(pulse(1000, 0, [], before=10, after=0))["records"]
    assert records["baseline"].tolist() == [BASELINE]
    assert not records["data"].any()


def test_fragments_that_lost_the_start_of_their_pulse_are_left_out_and_counted() -> None:
    whole = pulse(20_000, 0, square())
    cut = pulse(1000, 0, square(100, 300))[1:]
    made = made_of(cut, pulse(1000, 1, square()), whole)
    assert np.array_equal(np.unique(made["records"]["time"][2:]), np.unique(whole["time"]))
    counts = made["pulse_counts"]
    assert counts["dropped_records"].tolist() == [[len(cut), 0, 0, 0, 0]]
    assert counts["pulse_count"].tolist() == [[1, 1, 0, 0, 0]]


def test_counts_by_channel_and_chunk() -> None:
    made = made_of(
        pulse(1000, 0, square()),
        pulse(5000, 0, square(), baseline=BASELINE + 2),
        pulse(20_000, 2, square(50)),
        borders=[15_000],
        end=30_000,
    )
    counts = made["pulse_counts"]
    assert counts["time"].tolist() == [0, 15_000]
    assert counts["endtime"].tolist() == [15_000, 30_000]
    assert counts["pulse_count"].tolist() == [[2, 0, 0, 0, 0], [0, 0, 1, 0, 0]]
    assert counts["hit_count"].tolist() == counts["pulse_count"].tolist()
    assert counts["pulse_area"].tolist() == [[4000, 0, 0, 0, 0], [0, 0, 1000, 0, 0]]
    assert counts["baseline_mean"][0, 0] == BASELINE + 1
    assert np.isnan(counts["baseline_mean"][0, 1:]).all()


def test_saturated_samples_stay_at_the_limit() -> None:
    records = made_of(pulse(1000, 0, square(20_000)))["records"]
    assert records["data"].max() == BASELINE
    assert records["area"].sum() == 20 * BASELINE


def test_records_keep_time_and_length() -> None:
    raw = pulse(1000, 3, square(100, 300))
    records = made_of(raw)["records"]
    for name in ("time", "length", "dt", "channel", "pulse_length", "record_i"):
        assert np.array_equal(records[name], raw[name])
    assert records["time"][1] - records["time"][0] == N_SAMPLES * DT


def test_no_records() -> None:
    made = made_of(end=1000)
    assert len(made["records"]) == 0
    counts = made["pulse_counts"]
    assert not counts["pulse_count"].any()
    assert np.isnan(counts["baseline_mean"]).all()
