"""Run folders as redax leaves them, and their run documents, by hand and small."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

READER = "xams-daq_reader_0"
THREADS = (139811453138688, 139811453138689)


def make_run(
    parent: Path, run_id: str = "000932", *, chunks: int = 3, size: int = 2000, seed: int = 1
) -> Path:
    """Write a run that has ended, of about `size` bytes per file, and return its folder."""
    rng = random.Random(seed)
    folder = parent / run_id
    names = [f"{READER}_{thread}" for thread in THREADS]
    for chunk in range(chunks):
        for part in (f"{chunk:06d}", f"{chunk:06d}_post", f"{chunk + 1:06d}_pre"):
            (folder / f"{part}_temp").mkdir(parents=True)
            for name in names:
                placeholder = rng.random() < 0.1
                write(folder / part / name, b"" if placeholder else rng.randbytes(size))
    for name in names:
        write(folder / "THE_END" / name, b"...my only friend\n")
    return folder


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def content(folder: Path) -> dict[str, bytes | None]:
    """Return everything in a folder by its relative path; None for what is no file."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def run_document(
    number: int = 932,
    *,
    location: Path | None = None,
    ended_ago: timedelta | None = timedelta(hours=1),
    readers: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Return a run document as pymongo returns it; `ended_ago` None means still being taken."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    end = None if ended_ago is None else now - ended_ago
    return {
        "number": number,
        "mode": "test",
        "start": datetime(2024, 3, 1, 12),  # one run, whenever it is asked for
        "end": end,
        "detectors": ["xams"],
        "daq_config": {"processing_threads": dict(readers or {READER: len(THREADS)})},
        "data": [{"type": "live", "host": "daq", "location": str(location or "/nowhere")}],
    }
