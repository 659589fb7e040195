"""Events and all that is known of each, from peaks made by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_made import Made, xams
from xamsflow.base.errors import ConfigurationError
from xamsflow.data.plugins.corrected_areas import LightMap
from xamsflow.data.plugins.peak_positions import peak_positions
from xamsflow.data.plugins.peaks import peak_basics
from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector

Array = npt.NDArray[Any]

WINDOW = 50_000
END = 10_000_000
S1, S2 = 1, 2


def changed(**changes: Any) -> Detector:
    one = xams()
    assert one.tpc is not None
    return replace(one, tpc=replace(one.tpc, **changes))


def events_of(
    *peaks: tuple[int, int, float],
    end: int = END,
    borders: Sequence[int] = (),
    one: Detector | None = None,
    run_id: str = "000007",
    others: Mapping[str, Array] | None = None,
) -> Made:
    """Return what is made of peaks: time, type and area; an S1 lasts 100 ns, an S2 2000 ns."""
    one = one or changed()
    assert one.tpc is not None
    basics: Array = np.zeros(len(peaks), list(peak_basics(one.tpc.signals).dtype))
    positions: Array = np.zeros(len(peaks), list(peak_positions(one.tpc).dtype))
    wide: Array = np.zeros(len(peaks), strax.peak_dtype(n_channels=5))
    for i, (time, kind, area) in enumerate(peaks):
        length = 2000 if kind == S2 else 100
        for each in (basics, positions, wide):
            each["time"][i] = time
        for each in (basics, positions):
            each["endtime"][i] = time + length
        for each in (basics, wide):
            each["type"][i], each["area"][i], each["n_hits"][i] = kind, area, i
            each["dt"][i], each["length"][i] = 10, length // 10
        basics["center_time"][i] = time + length // 2
        positions["x"][i], positions["y"][i], positions["r"][i] = 3, 4, 5
        positions["x_cgr"][i] = i
        wide["area_per_channel"][i] = area * np.array([0.5, 0, 0.25, 0.25, 0])
        wide["data"][i, : length // 10] = area / (length // 10)
    data = {"peak_basics": basics, "peak_positions": positions, "peaks": wide}
    kinds = dict.fromkeys(data, "peaks") | {name: f"of_{name}" for name in others or ()}
    return Made(data | dict(others or {}), [0, *borders, end], one, kinds, run_id)


def intervals(events: Array) -> list[tuple[int, int]]:
    return list(zip(events["time"].tolist(), events["endtime"].tolist(), strict=True))


def test_an_event_around_each_large_s2() -> None:
    made = events_of((60_000, S1, 1e5), (100_000, S2, 500), (400_000, S2, 99), (900_000, S2, 100))
    assert intervals(made["events"]) == [
        (100_000 - WINDOW, 102_000 + WINDOW),
        (900_000 - WINDOW, 902_000 + WINDOW),
    ]
    assert made["events"]["event_number"].tolist() == [0, 1]


def test_windows_that_touch_are_one_event() -> None:
    touching = 102_000 + 2 * WINDOW
    one = events_of((100_000, S2, 500), (touching, S2, 500))["events"]
    assert intervals(one) == [(50_000, touching + 2000 + WINDOW)]
    two = events_of((100_000, S2, 500), (touching + 1, S2, 500))["events"]
    assert intervals(two) == [(50_000, 152_000), (152_001, touching + 1 + 2000 + WINDOW)]


def test_events_stay_within_the_run() -> None:
    events = events_of((10_000, S2, 500), (180_000, S2, 500), end=190_000)["events"]
    assert intervals(events) == [(0, 62_000), (130_000, 190_000)]


def test_main_and_alternative_peaks() -> None:
    made = events_of(
        (60_000, S1, 30),
        (62_000, S1, 50),
        (70_000, S2, 20),  # large enough to be an alternative, not to make an event
        (90_000, S1, 40),
        (100_000, S2, 900),
        (110_000, S2, 300),
        (130_000, S1, 800),  # behind the main S2: none of its S1s
    )
    (event,) = made["event_info"]
    assert event["n_peaks"] == 7
    assert event["s1_index"] == 1
    assert event["s1_area"] == 50
    assert event["alt_s1_index"] == 3
    assert event["alt_s1_area"] == 40
    assert event["s2_index"] == 4
    assert event["s2_area"] == 900
    assert event["alt_s2_index"] == 5
    assert event["alt_s2_area"] == 300
    assert event["drift_time"] == (100_000 + 1000) - (62_000 + 50)
    assert event["z"] == pytest.approx(-0.00104 * event["drift_time"])
    assert event["alt_s1_delay"] == 28_000
    assert event["alt_s2_delay"] == 10_000
    assert event["s2_n_hits"] == 4
    assert event["s1_time"] == 62_000
    assert event["s1_endtime"] == 62_100
    assert event["alt_s1_interaction_drift_time"] == event["drift_time"] - 28_000
    assert event["alt_s2_interaction_drift_time"] == event["drift_time"] + 10_000
    assert event["alt_s1_z"] == pytest.approx(-0.00104 * (event["drift_time"] - 28_000))
    assert event["area_before_main_s2"] == 30 + 50 + 20 + 40
    assert event["large_s2_before_main_s2"] == 20
    assert (event["x"], event["y"], event["r"]) == (3, 4, 5)
    assert event["alt_s2_theta"] == pytest.approx(np.arctan2(4, 3))
    assert (event["s2_x_cgr"], event["alt_s2_x_cgr"]) == (4, 5)


def test_no_s1_from_beyond_the_cathode() -> None:
    peaks = (
        (58_949, S1, 500),  # its center lies 42,001 ns before that of the main S2
        (58_950, S1, 40),
        (70_000, S1, 30),
        (100_000, S2, 900),
    )
    (event,) = events_of(*peaks, one=changed(max_drift_time=42_000))["event_basics"]
    assert (event["s1_index"], event["s1_area"]) == (1, 40)
    assert (event["alt_s1_index"], event["alt_s1_area"]) == (2, 30)
    assert event["drift_time"] == 42_000
    (event,) = events_of(*peaks, one=changed(max_drift_time=None))["event_basics"]
    assert (event["s1_area"], event["alt_s1_area"]) == (500, 40)
    (event,) = events_of(*peaks, one=changed(max_drift_time=20_000))["event_basics"]
    assert event["s1_index"] == event["alt_s1_index"] == -1
    assert np.isnan(event["drift_time"])


def test_missing_values_are_minus_one_or_nan() -> None:
    (event,) = events_of((100_000, S2, 500))["event_info"]
    for name in ("s1", "alt_s1", "alt_s2"):
        assert event[f"{name}_index"] == event[f"{name}_time"] == event[f"{name}_n_hits"] == -1
        assert np.isnan(event[f"{name}_area"])
    assert np.isnan(event["drift_time"])
    assert np.isnan(event["z"])
    assert event["s2_area"] == 500
    assert event["area_before_main_s2"] == event["large_s2_before_main_s2"] == 0


def test_no_alternative_s2_from_beyond_the_cathode() -> None:
    peaks = ((58_950, S1, 30), (99_000, S2, 900), (100_001, S2, 700), (100_000, S2, 300))
    by_time = sorted(peaks)
    (event,) = events_of(*by_time, one=changed(max_drift_time=42_000))["event_basics"]
    assert event["alt_s2_area"] == 300
    assert event["alt_s2_interaction_drift_time"] == 42_000
    (event,) = events_of(*by_time, one=changed(max_drift_time=None))["event_basics"]
    assert event["alt_s2_area"] == 700


def test_patterns_and_waveforms_are_those_of_straxen() -> None:
    from straxen.plugins.events import event_area_per_channel as areas  # noqa: PLC0415 - slow
    from straxen.plugins.events import event_waveform as waveforms  # noqa: PLC0415

    made = events_of(
        (20_000, S1, 1e5),  # in no event
        (60_000, S1, 30),
        (62_000, S1, 50),
        (100_000, S2, 900),
        (120_000, S2, 300),
        (400_000, S2, 700),
    )

    class Areas(areas.EventAreaPerChannel):  # type: ignore[misc]
        provides = "areas"
        data_kind = "events"

    class Waveforms(waveforms.EventWaveform):  # type: ignore[misc]
        provides = "waveforms"
        data_kind = "events"

    made.context.register([Areas, Waveforms])
    for ours, theirs in (("event_area_per_channel", "areas"), ("event_waveform", "waveforms")):
        mine, expected = made[ours], made[theirs]
        assert len(mine) == len(expected) == 2
        assert mine["s1_length"].tolist() == [10, 0]
        for name in mine.dtype.names:
            np.testing.assert_array_equal(mine[name], expected[name], err_msg=name)
    n_channel = made["event_n_channel"]
    assert n_channel["s2_n_channels"].tolist() == [3, 3]
    assert n_channel["s2_top_n_channels"].tolist() == [2, 2]
    assert n_channel["s1_n_channels"].tolist() == [3, 0]


def test_peaks_across_the_edge_of_an_event_are_not_in_it() -> None:
    (event,) = events_of((49_950, S1, 30), (50_000, S1, 20), (100_000, S2, 500))["event_basics"]
    assert event["n_peaks"] == 2
    assert event["s1_area"] == 20


def test_the_earlier_of_equal_areas_is_main() -> None:
    made = events_of((60_000, S1, 30), (70_000, S1, 30), (100_000, S2, 500), (110_000, S2, 500))
    (event,) = made["event_basics"]
    assert event["s1_time"] == 60_000
    assert event["s2_time"] == 100_000


def test_corrected_areas() -> None:
    made = events_of((60_000, S1, 30), (100_000, S2, 500), (110_000, S2, 200))
    (event,) = made["event_info"]
    lifetime = 100_000
    assert event["cs1"] == 30
    assert event["cs2"] == pytest.approx(500 * np.exp(event["drift_time"] / lifetime))
    assert event["alt_cs2"] == pytest.approx(
        200 * np.exp((event["drift_time"] + 10_000) / lifetime)
    )
    assert np.isnan(event["alt_cs1"])
    assert event["s1_area"] == 30


def test_s1_map_of_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config" / "corrections"
    folder.mkdir(parents=True)
    halves = {"r_edges": [0, 10], "z_edges": [-52, -26, 0], "hist_ratio": [[0.15, 0.05]]}
    (folder / "light_v1.json").write_text(
        json.dumps({"000001-000009": halves, "000010-000019": {"r_edges": [0]}})
    )
    monkeypatch.chdir(tmp_path)
    one = changed(electron_lifetime=None, s1_map=corrections.load("light_v1"))
    peaks = ((75_950, S1, 30.0), (100_000, S2, 500.0))
    (event,) = events_of(*peaks, one=one)["event_info"]
    assert event["z"] == pytest.approx(-26)  # half-way between the bin centers, the mean
    assert event["cs1"] == pytest.approx(30)
    assert event["cs2"] == 500
    with pytest.raises(ConfigurationError, match="S1 map of run 000010 is not a map"):
        events_of(*peaks, one=one, run_id="000010")["event_info"]
    with pytest.raises(ConfigurationError, match=r"run 000020: .*light_v1.json has no value"):
        events_of(*peaks, one=one, run_id="000020")["event_info"]


def test_light_between_and_outside_the_bins() -> None:
    light = LightMap.of(
        {"r_edges": [0, 10, 20], "z_edges": [-20, -10, 0], "hist_ratio": [[4, 2], [2, 1]]}, "a map"
    )
    mean = (3 * 1 + 1.5 * 3) / 4  # the outer ring has three times the volume of the inner circle
    r = np.array([5, 5, 0, 15, 10, 99, np.nan])
    z = np.array([-15, -5, -99, -15, -10, 99, -15])
    assert light(r, z)[:-1] == pytest.approx(np.array([4, 2, 4, 2, 2.25, 1]) / mean)
    assert np.isnan(light(r, z)[-1])


def test_coincidences_are_those_within_the_window() -> None:
    one = changed()
    assert one.coincidences is not None
    basics: Array = np.zeros(4, list(peak_basics(one.coincidences.signals).dtype))
    basics["time"] = [60_000, 300_101, 500_000, 700_050]
    basics["endtime"] = basics["time"] + 100
    basics["area"] = [511, 511, 400, 460]
    made = events_of(
        (59_900, S1, 30),
        (100_000, S2, 900),
        (300_000, S1, 30),  # 1 ns too early
        (340_000, S2, 900),
        (500_000, S1, 30),  # another energy
        (540_000, S2, 900),
        (700_051, S1, 30),  # behind
        (740_000, S2, 900),
        one=replace(one, coincidences=replace(one.coincidences, window=(0, 100))),
        others={"peak_basics_external": basics},
    )
    assert made["peak_coincidences"]["is_coinc"].tolist() == [True] + 7 * [False]
    assert made["event_coincidences"]["is_coinc"].tolist() == [True, False, False, False]


def test_no_peaks() -> None:
    made = events_of()
    for data_type in ("event_info", "event_area_per_channel", "event_waveform"):
        assert len(made[data_type]) == 0


@settings(max_examples=20, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([10, 5000, 40_000, 99_000, 300_000]), min_size=1, max_size=40),
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 39), max_size=8),
)
def test_chunks_do_not_matter(gaps: list[int], seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    peaks = []
    time = 1000
    for gap in gaps:
        kind = int(rng.choice([S1, S2, S2, 0]))
        peaks.append((time, kind, float(rng.choice([50, 150, 5000]))))
        time += (2000 if kind == S2 else 100) + gap
    end = time + 100_000
    borders = sorted({peaks[cut][0] for cut in cuts if 0 < cut < len(peaks)})
    whole, cut_up = events_of(*peaks, end=end), events_of(*peaks, end=end, borders=borders)
    for data_type in ("events", "event_info", "event_area_per_channel"):
        expected, found = whole[data_type], cut_up[data_type]
        for name in expected.dtype.names:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    events = whole["events"]
    assert (events["endtime"] > events["time"]).all()
    assert (events["time"][1:] >= events["endtime"][:-1]).all()
    large = sum(kind == S2 and area >= 100 for _, kind, area in peaks)
    assert bool(len(events)) == bool(large)
