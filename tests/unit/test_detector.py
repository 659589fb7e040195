import copy

import pytest

from xamsflow import detector
from xamsflow.errors import ConfigurationError

SETTINGS = {
    "description": "a test",
    "digitizers": {
        "v1730": {"type": "V1730", "channels": [0, 1], "sample_width": 2, "polarity": "negative"},
        "v1724": {"type": "V1724", "channels": [2, 3], "sample_width": 10, "polarity": "negative"},
    },
    "dead_time": {"channel": 40},
}


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("xamsl", {"v1730": (0, 1, 2), "v1724": (2, 3, 10)}),
        ("xams_2021", {"v1724": (0, 7, 10), "v1730": (8, 15, 2)}),
        ("xams", {"v1730": (0, 6, 2)}),
    ],
)
def test_the_detectors_that_ship(name, channels):
    loaded = detector.load(name)
    assert {
        digitizer.name: (
            digitizer.first_channel,
            digitizer.last_channel,
            digitizer.sample_width,
        )
        for digitizer in loaded.digitizers
    } == channels


def test_digitizers_come_by_ascending_channel():
    assert [d.name for d in detector.load("xams_2021").digitizers] == ["v1724", "v1730"]


def test_a_detector_of_the_working_directory_needs_no_change_here(tmp_path, monkeypatch):
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
        (("digitizers", "v1730", "positive_channels"), [7], "allowed is 0 to 1"),
        (("digitizers", "v1730", "gain"), 1, "unknown key digitizers.v1730.gain"),
        (("digitizers", "aqmon"), {}, "unknown key digitizers.aqmon"),
        (("digitizers", "V1730"), {}, "unknown key digitizers.V1730"),
        (("dead_time", "channel"), 3, "outside of digitizers.v1724"),
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
