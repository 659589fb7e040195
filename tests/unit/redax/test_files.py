import lz4.frame
import numpy as np
import pytest
import strax
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live_records import N_SAMPLES, compress, pulse
from xamsflow.redax import files
from xamsflow.redax.files import DamagedFileError, Records

DTYPE = np.dtype(strax.raw_record_dtype(N_SAMPLES))
RECORDS = pulse(1000, 0, 5000)
BLOCK = 256 * 1024


def decode(data: bytes, compressor: str = "lz4") -> Records:
    return files.decode(data, compressor, DTYPE)


def damage(data: bytes, compressor: str = "lz4") -> str:
    with pytest.raises(DamagedFileError) as caught:
        decode(data, compressor)
    return caught.value.rule


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
    def test_truncated_file(self, compressor: str, data: st.DataObject) -> None:
        whole = compress(RECORDS.tobytes(), compressor)
        size = data.draw(st.integers(1, len(whole) - 1))
        assert damage(whole[:size], compressor) in ("T1", "T2", "T3")

    @pytest.mark.parametrize("trailing", [b"\0", b"trailing", compress(RECORDS.tobytes())])
    def test_bytes_after_the_end(self, compressor: str, trailing: bytes) -> None:
        assert damage(compress(RECORDS.tobytes(), compressor) + trailing, compressor) == "T3"

    def test_other_compressor(self, compressor: str) -> None:
        other = {"lz4": "blosc", "blosc": "lz4"}[compressor]
        with pytest.raises(DamagedFileError, match=compressor):
            decode(compress(RECORDS.tobytes(), other), compressor)

    def test_part_of_a_record(self, compressor: str) -> None:
        with pytest.raises(DamagedFileError, match=r"245 bytes, .* record size 244") as caught:
            decode(compress(b"\0" * 245, compressor), compressor)
        assert caught.value.rule == "T5"


def test_lz4_without_end_mark() -> None:
    assert damage(compress(RECORDS.tobytes())[:-4]) == "T3"


def test_truncated_lz4_names_the_place() -> None:
    data = compress(np.random.default_rng(0).bytes(3 * BLOCK))
    assert damage(data[: BLOCK // 2]) == "T1"
    assert damage(data[:-10]) == "T2"


def test_lz4_truncated_after_a_block_with_whole_records() -> None:
    # 61 blocks of 256 KiB hold a whole number of records; strax reads them without complaint.
    data = compress(np.random.default_rng(0).bytes(62 * BLOCK))
    assert damage(data[: len(data) - 4 - (BLOCK + 4)]) == "T3"


def test_lz4_with_flipped_bits() -> None:
    data = bytearray(compress(np.zeros(10_000, np.uint8).tobytes()))
    data[12] ^= 0xFF
    assert damage(bytes(data)) in ("T4", "T5")


@pytest.mark.parametrize("claimed", [2**31, 2**40, 2**63])
def test_lz4_that_claims_gigabytes(claimed: int) -> None:
    with_size = bytearray(lz4.frame.compress(b"\0" * 500_000, store_size=True))
    assert len(with_size) < 3000
    with_size[6:14] = claimed.to_bytes(8, "little")
    assert damage(bytes(with_size)) == "T4"


@pytest.mark.parametrize("claimed", [2**20, 2**31 - 1, 2**32 - 1])
def test_blosc_that_claims_gigabytes(claimed: int) -> None:
    data = bytearray(compress(b"\0" * 200, "blosc"))
    data[4:8] = claimed.to_bytes(4, "little")
    assert damage(bytes(data), "blosc") == "T4"
