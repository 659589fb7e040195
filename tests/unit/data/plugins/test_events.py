"""Events, event basics and corrected areas, from peaks made by hand."""

from collections.abc import Sequence
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
from xamsflow.data.plugins.peaks import peak_basics
from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector

Array = npt.NDArray[Any]

WINDOW = 50_000
END = 10_000_000
S1, S2 = 1, 2


def without_positions(**changes: Any) -> Detector:
    one = xams()
    assert one.tpc is not None
    return replace(one, tpc=replace(one.tpc, positions=(), **changes))


def events_of(
    *peaks: tuple[int, int, float],
    end: int = END,
    borders: Sequence[int] = (),
    one: Detector | None = None,
    run_id: str = "000007",
) -> Made:
    """Return what is made of peaks: time, type and area; an S1 lasts 100 ns, an S2 2000 ns."""
    one = one or without_positions()
    assert one.tpc is not None
    basics: Array = np.zeros(len(peaks), list(peak_basics(one.tpc.signals).dtype))
    types: Array = np.zeros(
        len(peaks), [*strax.time_fields, (("0: unknown, 1: S1, 2: S2", "type"), np.int8)]
    )
    for i, (time, kind, area) in enumerate(peaks):
        types["type"][i] = kind
        basics["time"][i] = types["time"][i] = time
        length = 2000 if kind == S2 else 100
        basics["endtime"][i] = types["endtime"][i] = time + length
        basics["center_time"][i] = time + length // 2
        basics["area"][i] = area
        basics["n_hits"][i] = i
    kinds = {"peak_basics": "peaks", "peak_classification": "peaks"}
    data = {"peak_basics": basics, "peak_classification": types}
    return Made(data, [0, *borders, end], one, kinds, run_id)


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
        (120_000, S2, 300),
        (130_000, S1, 800),  # behind the main S2: none of its S1s
    )
    (event,) = made["event_basics"]
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
    assert event["alt_s2_delay"] == 20_000
    assert event["s2_n_hits"] == 4
    assert event["s1_time"] == 62_000
    assert event["s1_endtime"] == 62_100


def test_no_s1_from_beyond_the_cathode() -> None:
    peaks = (
        (58_949, S1, 500),  # its center lies 42,001 ns before that of the main S2
        (58_950, S1, 40),
        (70_000, S1, 30),
        (100_000, S2, 900),
    )
    (event,) = events_of(*peaks, one=without_positions(max_drift_time=42_000))["event_basics"]
    assert (event["s1_index"], event["s1_area"]) == (1, 40)
    assert (event["alt_s1_index"], event["alt_s1_area"]) == (2, 30)
    assert event["drift_time"] == 42_000
    (event,) = events_of(*peaks, one=without_positions(max_drift_time=None))["event_basics"]
    assert (event["s1_area"], event["alt_s1_area"]) == (500, 40)
    (event,) = events_of(*peaks, one=without_positions(max_drift_time=20_000))["event_basics"]
    assert event["s1_index"] == event["alt_s1_index"] == -1
    assert np.isnan(event["drift_time"])


def test_missing_values_are_minus_one_or_nan() -> None:
    (event,) = events_of((100_000, S2, 500))["event_basics"]
    for name in ("s1", "alt_s1", "alt_s2"):
        assert event[f"{name}_index"] == event[f"{name}_time"] == event[f"{name}_n_hits"] == -1
        assert np.isnan(event[f"{name}_area"])
    assert np.isnan(event["drift_time"])
    assert np.isnan(event["z"])
    assert event["s2_area"] == 500


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
    made = events_of((60_000, S1, 30), (100_000, S2, 500), (120_000, S2, 200))
    (event,) = made["event_info"]
    lifetime = 100_000
    assert event["cs1"] == 30
    assert event["cs2"] == pytest.approx(500 * np.exp(event["drift_time"] / lifetime))
    assert event["alt_cs2"] == pytest.approx(
        200 * np.exp((event["drift_time"] + 20_000) / lifetime)
    )
    assert np.isnan(event["alt_cs1"])
    assert event["s1_area"] == 30


def test_s1_map_of_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config" / "corrections"
    folder.mkdir(parents=True)
    (folder / "light_v1.json").write_text(
        '{"000001-000009": {"z": [-52, 0], "relative_area": [2, 1]}, "000010-000019": {"z": [0]}}'
    )
    monkeypatch.chdir(tmp_path)
    one = without_positions(electron_lifetime=None, s1_map=corrections.load("light_v1"))
    peaks = ((75_950, S1, 30.0), (100_000, S2, 500.0))
    (event,) = events_of(*peaks, one=one)["event_info"]
    assert event["z"] == pytest.approx(-26)
    assert event["cs1"] == pytest.approx(20)
    assert event["cs2"] == 500
    with pytest.raises(ConfigurationError, match="S1 map of run 000010 is not a map"):
        events_of(*peaks, one=one, run_id="000010")["event_info"]
    with pytest.raises(ConfigurationError, match=r"run 000020: .*light_v1.json has no value"):
        events_of(*peaks, one=one, run_id="000020")["event_info"]


def test_no_peaks() -> None:
    made = events_of()
    for data_type in ("events", "event_basics", "corrected_areas", "event_info"):
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
    for data_type in ("events", "event_info"):
        expected, found = whole[data_type], cut_up[data_type]
        for name in expected.dtype.names:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    events = whole["events"]
    assert (events["endtime"] > events["time"]).all()
    assert (events["time"][1:] >= events["endtime"][:-1]).all()
    large = sum(kind == S2 and area >= 100 for _, kind, area in peaks)
    assert bool(len(events)) == bool(large)
