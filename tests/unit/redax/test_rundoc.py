import copy
import json
from datetime import UTC, datetime

import pytest
from bson import Binary, Code, Decimal128, MaxKey, MinKey, ObjectId, Regex
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st

from xamsflow.base.errors import BadDataError
from xamsflow.redax import rundoc
from xamsflow.state import layout

DOCUMENT = {
    "number": 932,
    "mode": "xamsl_test",
    "start": datetime(2021, 11, 12, 12, 19, 35, 797000, tzinfo=UTC),
    "end": datetime(2021, 11, 12, 12, 39, 36, 227000, tzinfo=UTC),
    "tags": [{"name": "messy", "user": "daq"}, "not a tag"],
    "data": [
        {"type": "live", "host": "daq", "location": "/home/xams/live"},
        {"type": "live", "host": "stbc", "location": "/data/xenon"},
    ],
    "daq_config": {
        "processing_threads": {"xams-daq_reader_0": 1},
        "strax_fragment_payload_bytes": 220,
        "strax_chunk_length": 5,
        "strax_chunk_overlap": 0.5,
        "compressor": "blosc",
        "boards": [{"board": 77, "type": "V1730", "host": "xams-daq_reader_0"}],
        "channels": {"77": [0, 1]},
    },
}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes()

BSON = (
    SCALARS
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
    | st.integers(-(2**63), 2**63 - 1).map(DatetimeMS)
    | st.binary(max_size=20)
    | st.binary(max_size=20).map(Binary)
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | st.sampled_from(
        [Decimal128("1.5"), Decimal128("NaN"), MinKey(), MaxKey(), Regex("^a"), Code("f()")]
    )
)
ANYTHING = st.recursive(
    BSON, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
PATHS = (
    [[key] for key in DOCUMENT]
    + [["daq_config", key] for key in DOCUMENT["daq_config"]]
    + [["daq_config", "boards", 0, "board"], ["daq_config", "channels", "77"], ["data", 0]]
    + [["daq_config", "processing_threads", "xams-daq_reader_0"]]
)


def changed(path, value):
    document = copy.deepcopy(DOCUMENT)
    section = document
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = value
    return document


def test_all_values_in_the_units_of_processing():
    run = rundoc.parse(DOCUMENT)
    assert run.start == 1636719575_797_000_000
    assert run.end == 1636720776_227_000_000
    assert rundoc.live_location(DOCUMENT) == "/home/xams/live"
    assert run.tags == ("messy", "not a tag")
    assert run.readers == {"xams-daq_reader_0": 1}
    assert run.compressor == "blosc"
    assert run.record_length == 110
    assert run.chunk_duration == 5_000_000_000
    assert run.overlap_duration == 500_000_000
    assert run.boards == (rundoc.Board(77, "V1730", "xams-daq_reader_0", (0, 1)),)


def test_a_naive_start_is_utc():
    naive = changed(["start"], datetime(2021, 11, 12, 12, 19, 35, 797000))
    assert rundoc.parse(naive).start == rundoc.parse(DOCUMENT).start


@pytest.mark.parametrize("path", [["end"], ["tags"], ["data"], ["mode"]])
def test_fields_that_may_be_null(path):
    rundoc.parse(changed(path, None))


def test_defaults_of_redax():
    document = copy.deepcopy(DOCUMENT)
    document["daq_config"] = {"processing_threads": {"r": 2}}
    run = rundoc.parse(document)
    assert (run.compressor, run.record_length, run.buffered_chunks) == ("lz4", 110, 2)
    assert (run.chunk_duration, run.overlap_duration) == (5_000_000_000, 500_000_000)


@pytest.mark.parametrize("stored", [Int64(300), 300.0, "300", True, None, 2**31])
def test_redax_reads_integers_of_32_bits_only(stored):
    config = {
        "strax_fragment_payload_bytes": stored,
        "strax_buffer_num_chunks": stored,
        "processing_threads": {"r": stored},
    }
    run = rundoc.parse(changed(["daq_config"], config))
    assert (run.record_length, run.buffered_chunks, run.readers) == (110, 2, {"r": 8})


@pytest.mark.parametrize(
    ("stored", "ns"),
    [
        (2, 2_000_000_000),
        (Int64(2), 2_000_000_000),
        (0.29, 290_000_000),
        (0.07, 70_000_000),
        (1.001, 1_000_999_999),  # redax cuts to whole ns
        ("2", 5_000_000_000),
        (None, 5_000_000_000),
        (True, 5_000_000_000),
    ],
)
def test_durations_are_truncated_as_by_redax(stored, ns):
    run = rundoc.parse(changed(["daq_config", "strax_chunk_length"], stored))
    assert run.chunk_duration == ns


@pytest.mark.parametrize("stored", ["none", "zstd", "lz4", "", 5, None])
def test_whatever_is_not_blosc_is_lz4(stored):
    assert rundoc.parse(changed(["daq_config", "compressor"], stored)).compressor == "lz4"


@pytest.mark.parametrize(
    ("config", "readers"),
    [
        ({"processing_threads": {"r": 3}, "detectors": {"r": "xams", "s": "xams"}}, {"r": 3}),
        ({"processing_threads": {}, "detectors": {"r": "xams"}}, {"r": 8}),
        ({"detectors": {"r": "xams"}}, {"r": 8}),
        ({"boards": [{"board": 1, "type": "V1730", "host": "r"}]}, {"r": 8}),
        (
            {
                "boards": [{"board": 1, "type": "V1730"}, {"type": "V2718", "host": "crate"}],
                "processing_threads": {"r": 3},
                "detectors": {"s": "xams"},
            },
            {"r": 3, "s": 8},
        ),
        ({"processing_threads": {"daq.nikhef.nl_reader_0": 3}}, {"daq.nikhef.nl_reader_0": 8}),
    ],
)
def test_readers_and_their_threads(config, readers):
    assert rundoc.parse(changed(["daq_config"], config)).readers == readers


def test_boards_as_redax_takes_them():
    config = {
        "processing_threads": {"r": 1},
        "boards": [
            {"board": 10, "type": "V1724"},
            {"type": "V2718", "crate": 0},
            {"board": 20, "type": "V1730", "host": "r"},
        ],
        "channels": {"10": [0, None, -1, 3], "20": None},
    }
    run = rundoc.parse(changed(["daq_config"], config))
    assert run.boards == (
        rundoc.Board(10, "V1724", None, (0, 3)),
        rundoc.Board(20, "V1730", "r", ()),
    )
    assert run.enabled_inputs == {(0, 10), (3, 10)}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["number"], "932", "without a run number"),
        (["number"], -1, "without a run number"),
        (["start"], "2021-11-12", "start of the run document"),
        (["start"], {"$date": "2021"}, "start of the run document"),
        (["end"], "soon", "end of the run document"),
        (["daq_config"], None, "daq_config of the run document is None"),
        (["daq_config"], {}, "one reader or more"),
        (["daq_config", "processing_threads"], {"r": 0}, "processing_threads.r"),
        (["daq_config", "strax_fragment_payload_bytes"], 222, "multiple of 4"),
        (["daq_config", "strax_chunk_length"], 0, "above 0 s"),
        (["daq_config", "strax_chunk_overlap"], float("nan"), "up to 86400 s"),
        (["daq_config", "boards"], [{"board": "x"}], "boards"),
        (["start"], datetime(1, 1, 1, tzinfo=UTC), "a date from 1970 to 2261"),
        (["end"], datetime(9999, 1, 1, tzinfo=UTC), "a date from 1970 to 2261"),
        (["daq_config", "processing_threads"], {"../../etc/x": 1}, "names of readers"),
        (["daq_config", "strax_chunk_length"], 1e300, "up to 86400 s"),
        (["daq_config", "strax_fragment_payload_bytes"], 65_536, "up to 65532"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(path, value, words):
    with pytest.raises(BadDataError) as error:
        rundoc.parse(changed(path, value))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_any_document_is_read_or_refused_in_one_line(path, value):
    document = changed(path, value)
    try:
        run = rundoc.parse(document)
    except BadDataError as error:
        assert "\n" not in str(error)
        return
    # What is accepted fits into strax's fields.
    times = (run.start, run.end or 0, run.chunk_duration, run.overlap_duration)
    assert all(0 <= time < 2**63 for time in times)
    assert 0 < run.record_length < 2**20


@given(ANYTHING)
def test_a_document_that_went_through_json_is_read_or_refused_in_one_line(value):
    try:
        back = rundoc.from_json(rundoc.to_json(changed(["comments"], value)))
    except BadDataError as error:
        assert "\n" not in str(error)
        return
    assert rundoc.parse(back) == rundoc.parse(DOCUMENT)


@given(
    st.recursive(
        st.text() | st.integers(),
        lambda inner: st.dictionaries(
            st.sampled_from(["$date", "$oid", "$numberLong", "$binary", "x"]), inner, max_size=2
        ),
    )
)
def test_json_that_is_not_a_document_is_refused_in_one_line(data):
    try:
        assert isinstance(rundoc.from_json(data), dict)
    except BadDataError as error:
        assert "\n" not in str(error)


def test_a_number_stored_as_double_is_one():
    assert rundoc.parse(changed(["number"], 932.0)).number == 932
    with pytest.raises(BadDataError, match=r"number is 932\.5: it must be a whole number"):
        rundoc.parse(changed(["number"], 932.5))


def test_json_keeps_the_types_of_bson():
    assert rundoc.from_json(json.loads(json.dumps(rundoc.to_json(DOCUMENT)))) == DOCUMENT


def test_the_real_document(real_data):
    document = rundoc.from_json(json.loads((real_data / "rundoc_002240.json").read_text()))
    run = rundoc.parse(document)
    assert layout.run_id(run.number) == "002240"
    assert run.start == 1636719575_797_000_000
    assert run.boards[0].channels == tuple(range(8))
