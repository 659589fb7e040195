from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest
from bson import json_util
from bson.codec_options import CodecOptions

from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun, simulate, truth

XAMSL = detector.load("xamsl")
XAMS_2021 = detector.load("xams_2021")
RUN = SimulatedRun(932, XAMSL, duration=0.3, chunk_length=0.09, chunk_overlap=0.01)


def from_mongo(document):
    options = CodecOptions(tz_aware=True, tzinfo=UTC)
    return bson.decode(bson.encode(document), codec_options=options)


def types(value):
    """The type that MongoDB knows for each value, by the extended JSON of it."""
    match value:
        case {"$numberInt": _} | {"$numberLong": _} | {"$numberDouble": _} | {"$date": _}:
            return next(iter(value))
        case dict():
            return {key: types(item) for key, item in value.items()}
        case list():
            return [types(item) for item in value]
        case _:
            return type(value).__name__


def test_survives_mongodb_unchanged(tmp_path):
    document = simulate(RUN, tmp_path)
    assert from_mongo(document) == document
    assert rundoc.from_json(rundoc.to_json(document)) == document


def test_prints_what_was_written(tmp_path):
    settings = replace(
        RUN,
        readers=2,
        threads=3,
        compressor="blosc",
        fragment_payload=116,
        chunk_overlap=0.0125,
        mode="some_led",
    )
    document = from_mongo(simulate(settings, tmp_path))
    run = rundoc.parse(document)
    assert run.number == 932
    assert run.mode == "some_led"
    assert run.readers == {"xams-daq_reader_0": 3, "xams-daq_reader_1": 3}
    assert run.compressor == "blosc"
    assert run.record_length == 58
    assert (run.chunk_duration, run.overlap_duration) == (90_000_000, 12_500_000)
    assert rundoc.live_location(document) == str(tmp_path)
    assert run.start % 10**9 == 797_000_000
    assert run.end == run.start + 300_000_000


def test_location_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = simulate(RUN, tmp_path.relative_to(tmp_path) / "daq")
    assert document["data"] == [{"type": "live", "host": "daq", "location": str(tmp_path / "daq")}]
    assert document["daq_config"]["strax_output_path"] == str(tmp_path / "daq")


@pytest.mark.parametrize("name", ["xams", "xamsl", "xams_2021"])
def test_boards_hold_the_detectors_channels(tmp_path, name):
    settings = replace(RUN, detector=detector.load(name))
    document = simulate(settings, tmp_path)
    sample_width = {
        channel: digitizer.sample_width
        for digitizer in settings.detector.digitizers
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1)
    }
    type_of = {
        channel: board.type
        for board in rundoc.parse(document).boards
        for channel in board.channels
        if channel >= 0
    }
    assert set(type_of) == set(sample_width)
    for channel, width in sample_width.items():
        assert width == {"V1730": 2, "V1724": 10}[type_of[channel]]
    records = truth(settings)
    assert set(records["channel"]) == set(sample_width)
    for record in records[:500]:
        assert record["dt"] == sample_width[record["channel"]]
    config = document["daq_config"]
    for board in config["boards"]:
        key = str(board["board"])
        assert len(config["channels"][key]) == len(config["thresholds"][key]) == 8
        assert board["host"] in config["processing_threads"]


def test_positive_channels_have_their_polarity_register(tmp_path):
    document = simulate(replace(RUN, detector=detector.load("xams")), tmp_path)
    registers = {
        register["reg"]: register["val"] for register in document["daq_config"]["registers"]
    }
    polarity = {f"1{number}80": "110000" for number in range(6)} | {
        "1680": "100000",
        "1780": "100000",
    }
    assert polarity.items() <= registers.items()
    assert registers["8020"] == "32"
    assert registers["8038"] == "C"
    assert registers["8120"] == "FF"


def test_links_are_counted_by_reader(tmp_path):
    document = simulate(replace(RUN, detector=XAMS_2021, readers=2), tmp_path)
    boards = document["daq_config"]["boards"]
    places = [(board["host"], board["crate"], board["link"]) for board in boards]
    assert len(set(places)) == len(boards)
    assert len({board["host"] for board in boards}) == 2


def test_start_and_end_have_milliseconds_and_are_utc(tmp_path):
    start = datetime(2026, 3, 1, 1, 2, 3, 456_789, tzinfo=timezone(timedelta(hours=1)))
    document = simulate(replace(RUN, start=start, duration=0.1234), tmp_path)
    assert document["start"] == datetime(2026, 3, 1, 0, 2, 3, 456_000, tzinfo=UTC)
    assert document["end"].microsecond % 1000 == 0
    after = document["end"] - document["start"] - timedelta(seconds=0.1234)
    assert timedelta(0) <= after <= timedelta(milliseconds=2)


def test_rate_is_what_came_from_the_digitizers(tmp_path):
    rate = simulate(RUN, tmp_path)["rate"]["xamsl"]
    assert rate["avg"] == pytest.approx(truth(RUN).nbytes / 0.3 / 1e6)
    assert rate["avg"] <= rate["max"] < 2 * rate["avg"]


def test_run_being_taken_has_no_end(tmp_path):
    document = LiveRun(RUN, tmp_path).document
    assert document["end"] is None
    assert rundoc.parse(from_mongo(document)).end is None


def test_types_are_those_of_the_real_document(tmp_path, real_data):
    real = json_util.loads(
        (real_data / "rundoc_002240.json").read_text(),
        json_options=json_util.JSONOptions(tz_aware=True, tzinfo=UTC),
    )
    theirs = types(rundoc.to_json(from_mongo(real)))
    ours = types(rundoc.to_json(simulate(SimulatedRun(2240, XAMSL, duration=0.1), tmp_path)))
    config, real_config = ours.pop("daq_config"), theirs.pop("daq_config")
    for found, expected in ((ours, theirs), (config, real_config)):
        for key in found.keys() & expected.keys() - {"rate", "data"}:
            first, second = found[key], expected[key]
            if isinstance(second, list) and isinstance(second[0], dict):
                assert first[0].keys() == second[0].keys()
            elif isinstance(second, dict):
                assert (
                    repr(next(iter(first.values())))[:20] == repr(next(iter(second.values())))[:20]
                )
            else:
                assert first == second, key
    assert ours["data"][0] == theirs["data"][0]
    processing = {"compressor", "processing_threads", "strax_chunk_length", "boards", "channels"}
    assert processing | {"registers", "thresholds", "detectors"} <= config.keys()
