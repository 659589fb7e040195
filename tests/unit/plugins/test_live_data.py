import os
import shutil
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import strax
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live_records import (
    CHUNK,
    N_SAMPLES,
    PERIOD,
    RUN,
    THREAD,
    compress,
    pulse,
    pulses,
    write_part,
    write_run,
)
from xamsflow.errors import BadDataError, ConfigurationError, TransientError
from xamsflow.plugins import live_data

DTYPE = np.dtype(strax.raw_record_dtype(N_SAMPLES))
READERS = {"daq_reader_0": 1}
FILE = Path("/live/000007/000001_post") / THREAD
RECORDS = pulse(1000, 0, 5000)


def decode(data: bytes, compressor: str = "lz4") -> live_data.Records:
    return live_data.decode(data, FILE, compressor, DTYPE)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three chunks; the run ends in the overlap behind the third."""
    times = [k * PERIOD + t for k in range(3) for t in (1000, CHUNK + 50_000)]
    write_run(tmp_path, pulses(*times))
    return tmp_path / f"{RUN:06d}"


@pytest.mark.parametrize("compressor", ["lz4", "blosc"])
class TestDecode:
    def test_records(self, compressor: str) -> None:
        decoded = decode(compress(RECORDS.tobytes(), compressor), compressor)
        assert np.array_equal(decoded, RECORDS)

    def test_placeholder(self, compressor: str) -> None:
        assert len(decode(b"", compressor)) == 0

    def test_no_records(self, compressor: str) -> None:
        assert len(decode(compress(b"", compressor), compressor)) == 0

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_cut(self, compressor: str, data: st.DataObject) -> None:
        whole = compress(RECORDS.tobytes(), compressor)
        size = data.draw(st.integers(1, len(whole) - 1))
        with pytest.raises(
            BadDataError, match=f"run 000007: {FILE} is no (complete )?{compressor}"
        ):
            decode(whole[:size], compressor)

    @pytest.mark.parametrize("trailing", [b"\0", b"trailing", compress(RECORDS.tobytes())])
    def test_something_behind(self, compressor: str, trailing: bytes) -> None:
        with pytest.raises(BadDataError, match=str(FILE)):
            decode(compress(RECORDS.tobytes(), compressor) + trailing, compressor)

    def test_other_compressor(self, compressor: str) -> None:
        other = {"lz4": "blosc", "blosc": "lz4"}[compressor]
        with pytest.raises(BadDataError, match=compressor):
            decode(compress(RECORDS.tobytes(), other), compressor)

    def test_part_of_a_record(self, compressor: str) -> None:
        with pytest.raises(BadDataError, match=f"{FILE} holds 245 bytes, .* record's 244"):
            decode(compress(b"\0" * 245, compressor), compressor)


def test_lz4_without_end_mark() -> None:
    with pytest.raises(BadDataError, match="cut"):
        decode(compress(RECORDS.tobytes())[:-4])


def test_lz4_cut_at_a_block_with_whole_records() -> None:
    # 61 blocks of 256 KiB hold a whole number of records; strax reads them without complaint.
    block = 256 * 1024
    data = compress(np.random.default_rng(0).bytes(62 * block))
    cut = len(data) - 4 - (block + 4)
    with pytest.raises(BadDataError, match="cut"):
        decode(data[:cut])


def test_damaged_blosc() -> None:
    data = bytearray(compress(RECORDS.tobytes(), "blosc"))
    data[4:8] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(BadDataError, match="blosc"):
        decode(bytes(data), "blosc")


def test_survey(run: Path) -> None:
    found = live_data.survey(run, READERS)
    assert found.n_chunks == 3
    assert [part.folder.name for part in found.main] == ["000000", "000001", "000002"]
    assert [part and part.folder.name for part in found.post] == [
        "000000_post",
        "000001_post",
        "000002_post",
    ]
    assert [part and part.folder.name for part in found.pre] == [
        "000001_pre",
        "000002_pre",
        "000003_pre",
    ]
    assert found.main[0].files == (run / "000000" / THREAD,)


def test_survey_of_a_run_without_data(tmp_path: Path) -> None:
    assert live_data.survey(tmp_path, READERS).n_chunks == 0


def test_last_chunk_without_overlap(run: Path) -> None:
    shutil.rmtree(run / "000002_post")
    shutil.rmtree(run / "000003_pre")
    assert live_data.survey(run, READERS).post[2] is None


def test_last_overlap_without_copy(run: Path) -> None:
    shutil.rmtree(run / "000003_pre")
    found = live_data.survey(run, READERS)
    assert found.post[2] is not None
    assert found.pre[2] is None


def test_empty_leftovers_and_first_pre(run: Path) -> None:
    (run / "000001_pre_temp").mkdir()
    (run / "000000_pre").mkdir()
    assert live_data.survey(run, READERS).ignored == ("000000_pre",)


@pytest.mark.parametrize(
    "folder",
    ["000000", "000001", "000002", "000000_post", "000001_pre", "000001_post", "000002_post"],
)
def test_missing_folder(run: Path, folder: str) -> None:
    shutil.rmtree(run / folder)
    with pytest.raises(BadDataError, match=f"run 000007: {run / folder} is missing"):
        live_data.survey(run, READERS)


@pytest.mark.parametrize("folder", ["000001", "000000_post", "000001_pre"])
def test_missing_file_of_one_thread(tmp_path: Path, folder: str) -> None:
    second = "daq_reader_0_140001"
    times = [k * PERIOD + t for k in range(3) for t in (1000, 2000, CHUNK + 1000, CHUNK + 2000)]
    write_run(tmp_path, pulses(*times), threads=(THREAD, second))
    missing = tmp_path / "000007" / folder / second
    missing.unlink()
    with pytest.raises(BadDataError, match=f"{missing} is missing"):
        live_data.survey(tmp_path / "000007", {"daq_reader_0": 2})


def test_threads_may_end_in_different_chunks(tmp_path: Path) -> None:
    second = "daq_reader_0_140001"
    write_run(tmp_path, pulses(1000, 2000, 2 * PERIOD), threads=(THREAD, second))
    found = live_data.survey(tmp_path / "000007", {"daq_reader_0": 3})
    assert sorted(len(part.files) for part in found.main) == [1, 1, 2]


def test_folder_without_files(run: Path) -> None:
    (run / "000001" / THREAD).unlink()
    with pytest.raises(BadDataError, match="000001 holds no files"):
        live_data.survey(run, READERS)


def test_unfinished_file(run: Path) -> None:
    write_part(run / "000003_temp" / THREAD, RECORDS)
    with pytest.raises(BadDataError, match=r"000003_temp.* never finished"):
        live_data.survey(run, READERS)


def test_foreign_folder(run: Path) -> None:
    (run / "0000-1").mkdir()
    with pytest.raises(BadDataError, match="0000-1 is no folder of a run"):
        live_data.survey(run, READERS)


def test_unknown_reader(run: Path) -> None:
    write_part(run / "000001" / "other_reader_0_1", RECORDS)
    with pytest.raises(BadDataError, match=r"other_reader_0_1 is of no reader .*\(daq_reader_0\)"):
        live_data.survey(run, READERS)


def test_more_threads_than_documented(run: Path) -> None:
    write_part(run / "000001" / "daq_reader_0_2", RECORDS)
    with pytest.raises(BadDataError, match=r"files of 2 threads of daq_reader_0, .* says 1"):
        live_data.survey(run, READERS)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"no live data at .*000008"):
        live_data.survey(tmp_path / "000008", READERS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_right_to_read(run: Path) -> None:
    (run / "000001").chmod(0)
    try:
        with pytest.raises(ConfigurationError, match="no right to read"):
            live_data.survey(run, READERS)
    finally:
        (run / "000001").chmod(0o755)


def test_equal_copies_may_be_compressed_in_two_ways(run: Path) -> None:
    found = live_data.survey(run, READERS)
    post, pre = found.post[0], found.pre[0]
    assert post
    assert pre
    live_data.check_copy(post, pre, "lz4", DTYPE)
    records = live_data.read_part(post, "lz4", DTYPE)
    assert len(records)
    pre.files[0].write_bytes(_other(records))
    live_data.check_copy(post, pre, "lz4", DTYPE)
    write_part(pre.files[0], records[:-1])
    with pytest.raises(BadDataError, match=r"000000_post.* and its copy .*000001_pre.* differ"):
        live_data.check_copy(post, pre, "lz4", DTYPE)


def _other(records: live_data.Records) -> bytes:
    data = bytes(lz4.frame.compress(records.tobytes(), compression_level=9))
    assert data != compress(records.tobytes())
    return data
