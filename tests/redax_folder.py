"""What lies in a run's folder, read without this project's own code."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc
import lz4.frame
import numpy as np

HEADER = 24
FILE_NAME = re.compile(r"(?P<reader>[\w-]+_reader_\d+)_(?P<handle>\d+)")
THE_END = b"...my only friend\n"


@dataclass(frozen=True)
class RedaxFolder:
    """A run's folder: the files of each part, by name."""

    path: Path
    compressor: str = "lz4"
    payload: int = 220

    @property
    def threads(self) -> list[str]:
        """File names anywhere in the run: one per thread that had data."""
        return sorted({path.name for path in self.path.rglob("*") if path.is_file()})

    @property
    def n_chunks(self) -> int:
        """Chunks with a main part."""
        return len([path for path in self.path.iterdir() if re.fullmatch(r"\d{6}", path.name)])

    def raw(self, part: str, thread: str) -> bytes | None:
        """A file's bytes; None without such a file."""
        path = self.path / part / thread
        return path.read_bytes() if path.is_file() else None

    def records(self, part: str, thread: str) -> Any:
        """A file's records in the file's order."""
        raw = self.raw(part, thread)
        if not raw:
            return np.zeros(0, dtype=record_dtype(self.payload))
        return np.frombuffer(decode(raw, self.compressor), dtype=record_dtype(self.payload))

    def parts_of(self, thread: str, suffix: str = "") -> list[int]:
        """Chunks of which the thread has the part with this suffix, ascending."""
        found = (re.fullmatch(rf"(\d{{6}}){suffix}", path.name) for path in self.path.iterdir())
        return sorted(
            int(match[1]) for match in found if match and (self.path / match[0] / thread).exists()
        )

    def unique_records(self) -> Any:
        """All records of main parts and posts, sorted by time and channel."""
        found = [
            self.records(f"{chunk:06d}{suffix}", thread)
            for thread in self.threads
            for suffix in ("", "_post")
            for chunk in self.parts_of(thread, suffix)
        ]
        records = np.concatenate([self.records("", ""), *found])
        return records[np.lexsort((records["channel"], records["time"]))]


def decode(raw: bytes, compressor: str) -> bytes:
    """Decode exactly one whole frame."""
    if compressor == "blosc":
        return bytes(blosc.decompress(raw))
    decompressor = lz4.frame.LZ4FrameDecompressor()
    decoded = decompressor.decompress(raw)
    assert decompressor.eof
    assert not decompressor.unused_data
    return bytes(decoded)


def record_dtype(payload: int) -> np.dtype[Any]:
    """A record as redax has it in memory, unsigned where redax is."""
    return np.dtype(
        {
            "names": [
                "time",
                "length",
                "dt",
                "channel",
                "pulse_length",
                "record_i",
                "baseline",
                "data",
            ],
            "formats": ["<i8", "<i4", "<u2", "<i2", "<u4", "<u2", "<u2", ("<u2", payload // 2)],
            "offsets": [0, 8, 12, 14, 16, 20, 22, HEADER],
            "itemsize": HEADER + payload,
        }
    )
