import copy
import json

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import corrections, data_types, detector
from xamsflow.state import layout

PULSES = {
    "baseline_samples": 40,
    "baseline_max_rms": 5,
    "hit_threshold": 15,
    "hit_extension": [3, 20],
}
PEAKS = {
    "max_gap": 300,
    "min_area": 0,
    "min_channels": 1,
    "split_min_height": 25,
    "split_min_ratio": 4,
    "coincidence": [50, 50],
}
COINCIDENCES = {"signals": "sipm", "window": [0, 100], "area": [1, 2]}
SETTINGS = {
    "description": "a test",
    "digitizers": {
        "v1730": {"type": "V1730", "channels": [0, 1], "sample_width": 2, "polarity": "negative"},
        "v1724": {"type": "V1724", "channels": [2, 3], "sample_width": 10, "polarity": "negative"},
    },
    "dead_time": {"channel": 40},
    "tpc": {
        "channels": [0],
        "gains": [0.01],
        "pulses": PULSES,
        "peaks": PEAKS,
        "classification": {
            "s1": {"min_area": 1, "min_width": 0, "max_width": 140},
            "s2": {"min_area": 100, "min_width": 600},
        },
        "drift": {"velocity": 0.001, "gate_time": 0, "max_time": 80_000},
        "events": {"trigger_min_area": 100, "left": 50_000, "right": 50_000},
        "corrections": {"electron_lifetime": 1000},
    },
    "signals": {"sipm": {"channels": [1], "gains": [0.1], "pulses": PULSES, "peaks": PEAKS}},
    "led": {
        "channels": [0],
        "records_per_pulse": 2,
        "baseline": [0, 50],
        "light": [80, 110],
        "noise": [0, 10],
    },
}


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("xamsl", {"v1730": (0, 1, 2), "v1724": (2, 3, 10)}),
        ("xams_2021", {"v1724": (0, 7, 10), "v1730": (8, 15, 2)}),
        ("xams", {"v1730": (0, 7, 2)}),
    ],
)
def test_the_included_detectors(name, channels):
    loaded = detector.load(name)
    assert {
        digitizer.name: (
            digitizer.first_channel,
            digitizer.last_channel,
            digitizer.sample_width,
        )
        for digitizer in loaded.digitizers
    } == channels


def test_properties_of_the_included_detectors():
    xams, xamsl, old = (detector.load(name) for name in ("xams", "xamsl", "xams_2021"))
    assert (xams.tpc.signals.bottom, xams.tpc.signals.top) == ((0,), (1, 2, 3, 4))
    assert {s.name: s.channels for s in xams.signals} == {"external": (5,), "sipm": (6, 7)}
    assert xams.signals[1].positive_channels == (6, 7)
    assert corrections.of_run(xams.tpc.signals.gains, 6800)[1] == 0.00601685
    assert corrections.of_run(xams.tpc.signals.gains, 7200)[1] == 0.01285
    assert corrections.of_run(xams.tpc.electron_lifetime, 6800) == 220_000
    assert set(xams.corrections) == {
        "gains",
        "gains_external",
        "gains_sipm",
        "electron_lifetime",
        "s1_map",
        "position_polynomials",
    }
    assert set(old.corrections) == {"gains", "gains_v1724"}
    for one in (xams, xamsl, old):  # so that every run can be processed
        for by_run in one.corrections.values():
            assert all(by_run.entry(run) for run in (0, 6000, 6900, 9999, 123_456, 999_999))
    assert {s.name: s.channels for s in xamsl.signals} == {"v1724": (2, 3)}
    assert xamsl.tpc.signals.channels == xamsl.led.channels == (0, 1)
    assert xamsl.tpc.signals.digitizer == old.tpc.signals.digitizer == "v1730"


def test_digitizers_are_sorted_by_channel():
    assert [d.name for d in detector.load("xams_2021").digitizers] == ["v1724", "v1730"]


def test_a_detector_in_the_working_directory_needs_no_code_change(tmp_path, monkeypatch):
    folder = tmp_path / "config" / "detectors"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "description: mine\n"
        "digitizers:\n"
        "  v1725: {type: V1725, channels: [0, 3], sample_width: 4, polarity: positive}\n"
        "dead_time: {channel: 99}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert detector.load("mine").digitizers[0].polarity == "positive"


def test_an_unknown_detector_names_the_known_ones():
    with pytest.raises(ConfigurationError, match="xams, xams_2021, xamsl"):
        detector.load("xenonnt")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("digitizers", "v1730", "channels"), [1, 0], "the lower channel first"),
        (("digitizers", "v1730", "channels"), [0, 2], "more than 2"),
        (("digitizers", "v1730", "channels"), [0], "2 entries or more"),
        (("digitizers", "v1730", "sample_width"), 3, "one of 2, 4, 10"),
        (("digitizers", "v1730", "polarity"), "down", '"negative", "positive"'),
        (("digitizers", "v1730", "type"), "V9", "V1724"),
        (("digitizers", "v1730", "positive_channels"), [7], "allowed: 0 to 1"),
        (("digitizers", "v1724", "later_channels"), [5, 6], "allowed: channels from 4, the lower"),
        (("digitizers", "v1730", "later_channels"), [2, 2], "allowed: more than 2"),
        (("digitizers", "v1730", "gain"), 1, "unknown key digitizers.v1730.gain"),
        (("digitizers", "aqmon"), {}, "unknown key digitizers.aqmon"),
        (("digitizers", "V1730"), {}, "unknown key digitizers.V1730"),
        (("dead_time", "channel"), 3, "outside digitizers.v1724"),
        (("tpc", "channels"), [0, 2], "channels of v1724 and v1730, allowed: channels of one"),
        (("tpc", "channels"), [7], "tpc.channels contains 7, which belongs to no digitizer"),
        (("tpc", "channels"), [1], "channel 1 is in tpc and in sipm"),
        (("tpc", "top"), [1], "tpc.top contains channel 1, allowed: the channels of tpc.channels"),
        (("tpc", "drift", "gate_time"), 90_000, "max_time is 80000, allowed: more than 90000"),
        (("tpc", "positions"), {0: [1, 2]}, "tpc.positions"),
        (("tpc", "gains"), [0.01, 0.01], "tpc.gains is [0.01, 0.01], allowed: 1 numbers above 0"),
        (("tpc", "gains"), [-1], "tpc.gains"),
        (("tpc", "gains"), {"file": "nowhere"}, "nowhere.json is missing"),
        (("tpc", "gains"), {"file": "xams_gains_v0"}, "file xams_gains_v0, is [0.00783"),
        (
            ("tpc", "corrections"),
            {"electron_lifetime": {"file": "xams_gains_v0"}},
            "electron_lifetime, file",
        ),
        (("tpc", "corrections"), {"electron_lifetime": -1}, "tpc.corrections.electron_lifetime is"),
        (("tpc", "corrections"), {"s2_map": None}, "unknown key tpc.corrections.s2_map"),
        (
            ("tpc", "corrections"),
            {"position_polynomials": {"file": "xams_positions_v0"}},
            "needs 4 channels in tpc.top, which contains none",
        ),
        (("coincidences",), {**COINCIDENCES, "signals": "nai"}, "signals is 'nai', allowed: sipm"),
        (("coincidences",), {**COINCIDENCES, "window": [9, 0]}, "window is [9, 0], allowed: the"),
        (("coincidences",), {**COINCIDENCES, "window": [0, 1001]}, "1001"),
        (("tpc", "peaks"), {**PEAKS, "max_gap": 1001}, "tpc.peaks.max_gap is 1001"),
        (("tpc", "pulses"), {}, "missing key tpc.pulses.baseline_samples"),
        (
            ("tpc", "classification", "s1", "max_width"),
            700,
            "allowed: 600 (s2.min_width) or less",
        ),
        (("signals", "led"), {}, "unknown key signals.led"),
        (("signals", "tpc"), {}, "unknown key signals.tpc"),
        (("led", "light"), [110, 80], "led.light is [110, 80], allowed: the lower sample first"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(path, value, words):
    settings = copy.deepcopy(SETTINGS)
    section = settings
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = value
    with pytest.raises(ConfigurationError) as error:
        detector.parse("test", settings, "test.yaml")
    assert words in str(error.value)
    assert str(error.value).startswith("test.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["xams", "xams_2021", "xamsl"])
def test_the_names_of_data_types_are_those_of_the_plugins(name):
    lineage = json.loads((layout.REPOSITORY / "lineage.json").read_text())
    assert set(data_types.of(detector.load(name))) == set(lineage[name])
