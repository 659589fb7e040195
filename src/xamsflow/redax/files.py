"""A file of live data: exactly one complete lz4 frame or blosc buffer of whole records."""

from pathlib import Path

import blosc
import lz4.frame
import numpy as np
import numpy.typing as npt

from xamsflow.base import system_errors

Records = npt.NDArray[np.void]

MAX_DECODED = 2**32
"""Bytes. redax counts a file's bytes in 31 bits, and real data compress to about half."""

LZ4_MAGIC = b"\x04\x22\x4d\x18"
LZ4_FRAME_VERSION = 1
LZ4_MIN_HEADER = 7
LZ4_MAX_RATIO = 255
"""Maximum number of bytes to which a byte of an lz4 block, also inside blosc, can decode."""

BLOSC_HEADER_SIZE = 16
BLOSC_DECODED_SIZE = slice(4, 8)
BLOSC_SIZE = slice(12, 16)
"""Where a blosc buffer states its size, including the header (32 bits, little endian)."""


class DamagedFileError(Exception):
    """A file cannot be decoded; `rule` is the matching rule of `xamsflow.redax.findings`."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


def read(file: Path) -> bytes:
    """Return the contents of a file.

    Raises the errors of :func:`xamsflow.base.system_errors.cannot`.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise system_errors.cannot("read", file, error) from error


def size(file: Path) -> int:
    """Return a file's size in bytes; raises as :func:`read` does."""
    try:
        return file.stat().st_size
    except OSError as error:
        raise system_errors.cannot("read", file, error) from error


def decode(data: bytes, compressor: str, dtype: np.dtype[np.void]) -> Records:
    """Return the records of a file; an empty file is a legal placeholder without records.

    It never uses much more memory than `MAX_DECODED`. Raises DamagedFileError.
    """
    if not data:
        return np.zeros(0, dtype)
    decoded = _decode_lz4(data) if compressor == "lz4" else _decode_blosc(data)
    if len(decoded) % dtype.itemsize:
        raise DamagedFileError(
            "T5",
            f"contains {len(decoded)} bytes, not a multiple of the record size {dtype.itemsize}",
        )
    return np.frombuffer(decoded, dtype)


def _decode_lz4(data: bytes) -> bytearray:
    _check_lz4_frame(data)
    try:
        decoded: bytearray = lz4.frame.decompress(data, return_bytearray=True)
    except (RuntimeError, MemoryError) as error:
        raise DamagedFileError("T4", f"cannot be decoded as an lz4 frame ({error})") from error
    return decoded


def _check_lz4_frame(data: bytes) -> None:
    """Check that the frame's blocks, without decoding them, end exactly at the end of the data."""
    if not data.startswith(LZ4_MAGIC[: len(data)]):
        raise DamagedFileError("T4", "is not an lz4 frame")
    if len(data) < LZ4_MIN_HEADER:
        raise DamagedFileError("T1", "is not a complete lz4 frame: it was truncated")
    flags = data[4]
    if flags >> 6 != LZ4_FRAME_VERSION:
        raise DamagedFileError("T4", "is not an lz4 frame of a known version")
    has_block_checksums, has_size, has_checksum, has_dictionary = (
        bool(flags & bit) for bit in (16, 8, 4, 1)
    )
    max_block = 1 << (8 + 2 * (data[5] >> 4 & 7))
    place = LZ4_MIN_HEADER + 8 * has_size + 4 * has_dictionary
    n_blocks = 0
    while size := int.from_bytes(data[place : place + 4], "little"):
        place += 4 + (size & 0x7FFF_FFFF) + 4 * has_block_checksums
        if place > len(data):
            break
        n_blocks += 1
    if place == len(data) and n_blocks:
        raise DamagedFileError("T3", "is not a complete lz4 frame: its end mark is missing")
    place += 4 + 4 * has_checksum
    if place > len(data):
        where = f"after {n_blocks} blocks" if n_blocks else "within its first block"
        raise DamagedFileError(
            "T2" if n_blocks else "T1", f"is not a complete lz4 frame: it was truncated {where}"
        )
    if place < len(data):
        raise DamagedFileError("T3", f"has {len(data) - place} bytes after its lz4 frame")
    largest = min(n_blocks * max_block, len(data) * LZ4_MAX_RATIO)
    claimed = int.from_bytes(data[6:14], "little") if has_size else largest
    if claimed > min(largest, MAX_DECODED):
        raise DamagedFileError("T4", f"is an lz4 frame that claims to contain {claimed} bytes")


def _decode_blosc(data: bytes) -> bytes:
    if len(data) < BLOSC_HEADER_SIZE:
        raise DamagedFileError("T1", "is not a complete blosc buffer: it was truncated")
    size = int.from_bytes(data[BLOSC_SIZE], "little")
    claimed = int.from_bytes(data[BLOSC_DECODED_SIZE], "little")
    if size > len(data):
        raise DamagedFileError(
            "T2", f"is not a complete blosc buffer: it was truncated to {len(data)} of {size} bytes"
        )
    if size < len(data):
        raise DamagedFileError("T3", f"has {len(data) - size} bytes after its blosc buffer")
    if claimed > min(size * LZ4_MAX_RATIO, MAX_DECODED):
        raise DamagedFileError("T4", f"is a blosc buffer that claims to contain {claimed} bytes")
    try:
        return bytes(blosc.decompress(data))
    except Exception as error:  # blosc raises an exception class that its module does not export
        raise DamagedFileError("T4", f"cannot be decoded as a blosc buffer ({error})") from error
