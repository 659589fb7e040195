import json
import shutil
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strax
from immutabledict import immutabledict

from live_records import (
    CHUNK,
    DURATION,
    N_SAMPLES,
    OVERLAP,
    PERIOD,
    RUN,
    START,
    START_NS,
    THREAD,
    Records,
    both_digitizers,
    in_order,
    pulse,
    pulses,
    random_pulses,
    write_part,
    write_run,
)
from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.data.context import context, run_config
from xamsflow.data.plugins import straxen_reader
from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.settings.detector import Detector
from xamsflow.simulate import SimulatedRun, simulate, truth
from xamsflow.state import layout

RUN_ID = f"{RUN:06d}"
REAL = layout.REPOSITORY.parent / "shared" / "data"
SAFE_BREAK = 1000


def raw_data_types(strax_context: strax.Context) -> list[str]:
    return sorted(name for name in strax_context.tree if name.startswith("raw_records_"))


class Reading:
    """What a reader made of a run: records by data type, times relative to the run's start."""

    def __init__(self, strax_context: strax.Context, run_id: str, start: int) -> None:
        names = raw_data_types(strax_context)
        strax_context.make(run_id, names[0])
        self.records: dict[str, Records] = {}
        self.metadata: dict[str, dict[str, Any]] = {}
        for name in names:
            data = strax_context.get_array(run_id, name, progress_bar=False)
            data["time"] -= start
            short = name.removeprefix("raw_records_")
            self.records[short] = data
            self.metadata[short] = strax_context.get_metadata(run_id, name)
        chunks = self.metadata[short]["chunks"]
        self.borders = [c["start"] - start for c in chunks] + [chunks[-1]["end"] - start]
        self.quality = self.metadata[short].get("quality", {})


def read(
    live_data: Path,
    document: Mapping[str, Any],
    processed: Path,
    *,
    xams: Detector | None = None,
    config: Mapping[str, Any] | None = None,
) -> Reading:
    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    options = run_config(run, live_data / run_id) | dict(config or {})
    return Reading(context(xams or both_digitizers(), processed, options), run_id, run.start)


def read_with_straxen(live_data: Path, document: Mapping[str, Any], processed: Path) -> Reading:
    """Let straxen's reader work, with its own channel for dead time."""
    names = ("raw_records_v1730", "raw_records_v1724", "raw_records_aqmon")

    class StraxensReader(straxen_reader.DAQReader):  # type: ignore[misc]
        provides = names
        data_kind = immutabledict(zip(names, names, strict=True))
        rechunk_on_save = immutabledict.fromkeys(names, False)

        def dtype_for(self, data_type: str) -> Any:
            return super().dtype_for(names[0] if data_type == "raw_records" else data_type)

    run = rundoc.parse(document)
    run_id = layout.run_id(run.number)
    ranges = immutabledict(v1730=(0, 1), v1724=(2, 3), aqmon=(799, 799))
    options = run_config(run, live_data / run_id) | {"channel_map": ranges}
    options["run_start_time"] = run.start // rundoc.NS_PER_S
    del options["run_end_time"]
    strax_context = strax.Context(
        storage=strax.DataDirectory(str(processed)), register=[StraxensReader], config=options
    )
    whole_seconds = run.start // rundoc.NS_PER_S * rundoc.NS_PER_S
    return Reading(strax_context, run_id, whole_seconds)


def assert_same(ours: Reading, theirs: Reading) -> None:
    for name, expected in theirs.records.items():
        found = ours.records[name].copy()
        if name == "aqmon":
            found["channel"][found["channel"] == 40] = 799
        assert found.dtype == expected.dtype
        for field in found.dtype.names or ():
            np.testing.assert_array_equal(found[field], expected[field], err_msg=f"{name} {field}")
    assert ours.borders == theirs.borders


def assert_all_there(reading: Reading, records: Records) -> None:
    """Compare with what was written: every record, in order, in its digitizer's output."""
    expected = in_order(records)
    for name, channels in (("v1730", (0, 1)), ("v1724", (2, 3))):
        of_digitizer = expected[np.isin(expected["channel"], channels)]
        assert np.array_equal(reading.records[name], of_digitizer)
    assert len(reading.records["aqmon"]) == 0
    assert reading.quality["records_on_disk"] == len(records)
    assert reading.quality["records_stored"] == len(records)
    assert reading.quality["records_lost"] == 0


@pytest.mark.skipif(not REAL.is_dir(), reason="the real run is not here")
def test_the_real_run_as_straxen_reads_it(tmp_path: Path) -> None:
    document = rundoc.from_json(json.loads((REAL / "rundoc_002240.json").read_text()))
    ours = read(REAL / "live_data", document, tmp_path / "ours")
    assert_same(ours, read_with_straxen(REAL / "live_data", document, tmp_path / "straxens"))
    assert len(ours.records["v1730"]) == 47_929
    assert ours.records["v1730"]["time"][0] == 4_630_358
    assert ours.borders == [0, 5_499_999_000, 10_999_999_000]


@pytest.mark.parametrize("compressor", ["lz4", "blosc"])
@pytest.mark.parametrize(
    "threads",
    [(THREAD,), ("daq_reader_0_1", "daq_reader_0_2", "daq_reader_1_3")],
    ids=["one_thread", "two_readers"],
)
def test_both_digitizers(tmp_path: Path, compressor: str, threads: tuple[str, ...]) -> None:
    records = random_pulses(3 * PERIOD - OVERLAP - 100_000)
    document = write_run(tmp_path, records, threads=threads, compressor=compressor)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)
    assert_same(ours, read_with_straxen(tmp_path, document, tmp_path / "straxens"))


def test_pulses_across_every_border(tmp_path: Path) -> None:
    borders = [k * PERIOD + t for k in range(3) for t in (0, CHUNK)][1:]
    times = [border + shift for border in borders for shift in (-50_000, -300, 60_000)]
    early = [border - 4 for border in borders]
    records = np.concatenate(
        [pulse(time, channel, 2400) for time in times for channel in (0, 3)]
        + [pulse(time, 1, 2) for time in early + borders]
    )
    document = write_run(tmp_path, records)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)


@pytest.mark.parametrize("time", [0, CHUNK - 2, CHUNK, PERIOD - 2, PERIOD, PERIOD + CHUNK - 2])
def test_one_record_anywhere(tmp_path: Path, time: int) -> None:
    records = np.concatenate([pulse(PERIOD // 2, 1), pulse(time, 0, 2)])
    document = write_run(tmp_path, records)
    assert_all_there(read(tmp_path, document, tmp_path / "ours"), records)


def dense_overlap() -> Records:
    """Return records without a pause from before an overlap to behind it."""
    long = 30_000 * N_SAMPLES
    dense = [
        pulse(t, channel, long)
        for t in range(CHUNK - 10_000, PERIOD + 10_000, 2 * long)
        for channel in (0, 1)
    ]
    return np.concatenate([pulses(1000), *dense, pulse(2 * PERIOD, 2)])


def test_dense_overlap_is_not_cut(tmp_path: Path) -> None:
    records = dense_overlap()
    document = write_run(tmp_path, records)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)
    assert ours.borders == [0, 2 * PERIOD - SAFE_BREAK, 2 * PERIOD + CHUNK]
    (found,) = ours.quality["findings"]
    assert (found["rule"], found["severity"]) == ("T16", "note")
    dead_time = sys.modules[straxen_reader.NAME].ArtificialDeadtimeInserted
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs = read_with_straxen(tmp_path, document, tmp_path / "straxens")
    assert any(issubclass(one.category, dead_time) for one in caught)
    assert len(theirs.records["v1730"]) < len(ours.records["v1730"])


def test_single_record_at_the_end_of_an_overlap(tmp_path: Path) -> None:
    records = pulses(1000, PERIOD - 600, PERIOD + 10_000)
    document = write_run(tmp_path, records)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)
    assert ours.borders == [0, PERIOD - 600, PERIOD + CHUNK]
    assert ours.quality["findings"] == []


def test_run_shorter_than_a_chunk(tmp_path: Path) -> None:
    records = np.concatenate([pulses(1000, 5000), pulse(CHUNK - 2, 0, N_SAMPLES)])
    document = write_run(tmp_path, records)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)
    assert ours.borders == [0, CHUNK - 2 + 2 * N_SAMPLES]


def test_short_run_ends_with_its_window(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000))
    assert read(tmp_path, document, tmp_path / "ours").borders == [0, CHUNK]


def test_run_that_ends_at_the_end_of_an_overlap(tmp_path: Path) -> None:
    overlap = PERIOD + CHUNK
    records = pulses(1000, PERIOD, overlap + 5000, overlap + 90_000, 2 * PERIOD - 400)
    document = write_run(tmp_path, records)
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, records)
    assert ours.borders[-1] == 2 * PERIOD + 40


def test_run_without_data(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000)[:0])
    ours = read(tmp_path, document, tmp_path / "ours")
    assert_all_there(ours, pulses(1000)[:0])
    assert ours.borders == [0, DURATION // timedelta(microseconds=1) * 1000]


@pytest.mark.parametrize("microseconds", [0, 797_000, 123_457])
def test_fraction_of_the_start_is_kept(tmp_path: Path, microseconds: int) -> None:
    start = START.replace(microsecond=microseconds)
    records = np.concatenate([pulse(1002, 0), pulse(1010, 2)])
    document = write_run(tmp_path, records, start=start)
    run = rundoc.parse(document)
    strax_context = context(
        both_digitizers(), tmp_path / "ours", run_config(run, tmp_path / RUN_ID)
    )
    first = START_NS // rundoc.NS_PER_S * rundoc.NS_PER_S + microseconds * 1000
    for name, time in (("v1730", 1002), ("v1724", 1010)):
        data = strax_context.get_array(RUN_ID, f"raw_records_{name}", progress_bar=False)
        assert data["time"][0] == first + time
        metadata = strax_context.get_metadata(RUN_ID, f"raw_records_{name}")
        assert metadata["start"] == first


def test_same_data_every_time(tmp_path: Path) -> None:
    document = write_run(tmp_path, random_pulses(2 * PERIOD))
    for name in ("first", "second"):
        read(tmp_path, document, tmp_path / name)
    files = list((tmp_path / "first").rglob("*-0000*"))
    assert files
    for file in files:
        again = tmp_path / "second" / file.relative_to(tmp_path / "first")
        assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("channel", [4, 39, 41, 800, 32_767, -1])
def test_unknown_channel(tmp_path: Path, channel: int) -> None:
    records = pulses(1000, PERIOD + 1000)
    records["channel"][records["time"] > PERIOD] = channel
    document = write_run(tmp_path, records)
    expected = (
        f"run {RUN_ID}: T19: in .*/000001/.* a record belongs to channel {channel}, "
        "but xamsl has v1730 0 to 1, v1724 2 to 3, aqmon 40 to 40"
    )
    with pytest.raises(BadDataError, match=expected):
        read(tmp_path, document, tmp_path / "ours")


def test_unknown_channel_with_the_mark_of_unknown_as_sample_width(tmp_path: Path) -> None:
    records = pulses(1000)
    records["channel"], records["dt"] = 5, -1
    document = write_run(tmp_path, records)
    with pytest.raises(BadDataError, match="to channel 5"):
        read(tmp_path, document, tmp_path / "ours")


def test_sample_width_contradicts_the_detector(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulse(1000, 2, dt=2))
    expected = "T27: .* channel 2 has 2 ns per sample, expected 10 ns for v1724"
    with pytest.raises(BadDataError, match=expected):
        read(tmp_path, document, tmp_path / "ours")


@pytest.mark.parametrize("payload", [488, 976])
def test_wrong_record_length(tmp_path: Path, payload: int) -> None:
    # Both sizes of a record, header included, divide what is on disk: nothing else would notice.
    records = pulse(1000, 0, 1000 * N_SAMPLES)[: 2 * (payload + 24) // 8]
    document = write_run(tmp_path, records)
    document["daq_config"]["strax_fragment_payload_bytes"] = payload
    with pytest.raises(BadDataError, match=f"run {RUN_ID}: T5: in .*/000000/"):
        read(tmp_path, document, tmp_path / "ours")


@pytest.mark.parametrize("field", ["length", "pulse_length", "record_i"])
@pytest.mark.parametrize("value", [-1, 0, 111, 5000])
def test_record_contradicts_itself(tmp_path: Path, field: str, value: int) -> None:
    records = pulse(1000, 0, 150)
    records[field][1] = value
    document = write_run(tmp_path, records)
    with pytest.raises(BadDataError, match="samples, with 110 per record"):
        read(tmp_path, document, tmp_path / "ours")


@pytest.mark.parametrize("folder", ["000000", "000000_post", "000001"])
def test_record_outside_its_folder(tmp_path: Path, folder: str) -> None:
    document = write_run(tmp_path, pulses(1000, CHUNK + 1000, PERIOD + 1000))
    for copy in (folder, folder.replace("000000_post", "000001_pre")):
        write_part(tmp_path / RUN_ID / copy / THREAD, pulses(2 * PERIOD))
    with pytest.raises(BadDataError, match=f"T22: in .*/{folder}/.* starts at {2 * PERIOD} ns"):
        read(tmp_path, document, tmp_path / "ours")


def test_duplicate_record(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000, 1000))
    with pytest.raises(BadDataError, match=r"T32: 2 records in .*/000000 .* channel 0 at 1000 ns"):
        read(tmp_path, document, tmp_path / "ours")


def test_truncated_file_is_named(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000, PERIOD + 1000))
    file = tmp_path / RUN_ID / "000001" / THREAD
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(
        BadDataError, match=f"T1: {file} is not a complete lz4 frame: it was truncated"
    ):
        read(tmp_path, document, tmp_path / "ours")


def test_missing_chunk(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000, PERIOD, 2 * PERIOD))
    shutil.rmtree(tmp_path / RUN_ID / "000001")
    with pytest.raises(BadDataError, match=r"T7: .*000001 is missing"):
        read(tmp_path, document, tmp_path / "ours")


def test_empty_main_parts_are_reported(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000, 2 * PERIOD))
    quality = read(tmp_path, document, tmp_path / "ours").quality
    assert quality["empty_main_parts"] == ["000001"]


def test_chunks_too_short_to_cut(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000))
    document["daq_config"]["strax_chunk_overlap"] = 5e-7
    with pytest.raises(BadDataError, match="is 500 ns, expected 1000 or more"):
        read(tmp_path, document, tmp_path / "ours")


def test_channel_map_of_another_detector(tmp_path: Path) -> None:
    document = write_run(tmp_path, pulses(1000))
    other = {"channel_map": immutabledict(v1730=(0, 3), aqmon=(40, 40))}
    with pytest.raises(ConfigurationError, match="channel_map"):
        read(tmp_path, document, tmp_path / "ours", config=other)


def lineage_hash(xams: Detector, config: Mapping[str, Any] | None = None) -> str:
    strax_context = context(xams, Path("never_written"), config, readonly=True)
    keys = {
        strax_context.key_for(RUN_ID, name).lineage_hash for name in raw_data_types(strax_context)
    }
    (only,) = keys
    return str(only)


def test_one_lineage_hash_per_detector(tmp_path: Path) -> None:
    xamsl = both_digitizers()
    document = write_run(tmp_path, pulses(1000))
    first = run_config(rundoc.parse(document), tmp_path / RUN_ID)
    second = first | {
        "run_start_time": 1.0,
        "run_end_time": 2.0,
        "daq_compressor": "blosc",
        "record_length": 50,
        "daq_chunk_duration": 10**9,
        "daq_overlap_chunk_duration": 10**8,
        "readout_threads": {"other": 8},
        "daq_input_dir": "elsewhere",
    }
    expected = lineage_hash(xamsl)
    assert lineage_hash(xamsl, first) == lineage_hash(xamsl, second) == expected
    others = [
        detector.load("xams"),
        replace(xamsl, name="other"),
        replace(xamsl, dead_time_channel=41),
        replace(
            xamsl, digitizers=(replace(xamsl.digitizers[0], sample_width=4), xamsl.digitizers[1])
        ),
        replace(
            xamsl, digitizers=(replace(xamsl.digitizers[0], last_channel=0), xamsl.digitizers[1])
        ),
    ]
    assert len({lineage_hash(other) for other in others} | {expected}) == 6
    assert lineage_hash(replace(xamsl, description="the same, described better")) == expected


def test_outputs_come_from_the_detector_file() -> None:
    def outputs(name: str) -> list[str]:
        return raw_data_types(context(detector.load(name), Path("never_written"), readonly=True))

    assert outputs("xams") == ["raw_records_aqmon", "raw_records_v1730"]
    assert outputs("xamsl") == ["raw_records_aqmon", "raw_records_v1724", "raw_records_v1730"]


@pytest.mark.parametrize(
    "settings",
    [
        {"detector": "xamsl", "duration": 5.3, "s2_fraction": 0.3, "fragment_payload": 100},
        {"detector": "xams", "duration": 2.5, "chunk_length": 0.5, "chunk_overlap": 0.1},
        {"detector": "xams_2021", "duration": 3.0, "threads": 3, "compressor": "blosc"},
        {"detector": "xams_2021", "duration": 3.0, "chunk_length": 0.5, "rate": 2, "threads": 2},
    ],
    ids=["long_pulses", "many_chunks", "both_digitizers", "low_rate"],
)
def test_simulated_runs(tmp_path: Path, settings: dict[str, Any]) -> None:
    xams = detector.load(settings.pop("detector"))
    simulated = SimulatedRun(number=RUN, detector=xams, border_pulses=True, **settings)
    document = simulate(simulated, tmp_path)
    ours = read(tmp_path, document, tmp_path / "ours", xams=xams)
    expected = truth(simulated)
    assert len(expected)
    assert ours.quality["records_stored"] == ours.quality["records_on_disk"] == len(expected)
    for digitizer in xams.digitizers:
        channel = expected["channel"]
        mine = (channel >= digitizer.first_channel) & (channel <= digitizer.last_channel)
        found = ours.records[digitizer.name]
        for field in expected.dtype.names or ():
            np.testing.assert_array_equal(found[field], expected[mine][field], err_msg=field)
