"""Write live data in redax's format from given records, independently of the simulator."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import blosc
import lz4.frame
import numpy as np
import numpy.typing as npt
import strax

from xamsflow.settings import detector
from xamsflow.settings.detector import Detector

Records = npt.NDArray[np.void]

RUN = 7
START = datetime(2026, 1, 5, 12, 0, 0, 797_000, tzinfo=UTC)
START_NS = 1_767_614_400_797_000_000
DURATION = timedelta(seconds=3)

CHUNK = 1_000_000_000
OVERLAP = 10_000_000
PERIOD = CHUNK + OVERLAP
N_SAMPLES = 110

THREAD = "daq_reader_0_140000"


def both_digitizers() -> Detector:
    """Return XAMSL: V1730 in channels 0 and 1, V1724 in channels 2 and 3."""
    return detector.load("xamsl")


def pulse(time: int, channel: int, length: int = 2 * N_SAMPLES, dt: int | None = None) -> Records:
    """Return the records of one pulse that starts at `time` (ns since the run's start)."""
    dt = dt or (2 if channel < 2 else 10)
    n_records = -(-length // N_SAMPLES)
    records = np.zeros(n_records, strax.raw_record_dtype(N_SAMPLES))
    fragment = np.arange(n_records)
    records["time"] = time + fragment * N_SAMPLES * dt
    records["length"] = np.minimum(length - fragment * N_SAMPLES, N_SAMPLES)
    records["dt"] = dt
    records["channel"] = channel
    records["pulse_length"] = length
    records["record_i"] = fragment
    records["baseline"] = 8000
    samples = np.random.default_rng(time % 2**32 + channel).integers(
        7990, 8010, (n_records, N_SAMPLES)
    )
    records["data"] = np.where(np.arange(N_SAMPLES) < records["length"][:, None], samples, 0)
    return records


def pulses(*times: int, channel: int = 0) -> Records:
    """Return pulses of one channel."""
    return np.concatenate([pulse(time, channel) for time in times])


def random_pulses(duration: int, n: int = 2000, seed: int = 0) -> Records:
    """Return pulses in all four channels, in no order; those of a channel do not overlap."""
    rng = np.random.default_rng(seed)
    starts = rng.choice(duration // 10_000, n, replace=False) * 10_000
    lengths = 2 * rng.integers(1, 240, n)
    return np.concatenate(
        [pulse(int(t), int(rng.integers(4)), int(n)) for t, n in zip(starts, lengths, strict=True)]
    )


def in_order(records: Records) -> Records:
    """Return records by time and channel."""
    return records[np.lexsort((records["channel"], records["time"]))]


def write_run(
    live_data: Path,
    records: Records,
    *,
    threads: Sequence[str] = (THREAD,),
    compressor: str = "lz4",
    start: datetime = START,
    number: int = RUN,
) -> dict[str, Any]:
    """Write a finished run and return its run document; pulses are dealt round to the threads.

    As on disk, records are in order of time within a channel, but not from one to the other.
    """
    folder = live_data / f"{number:06d}"
    folder.mkdir(parents=True)
    number_of_pulse = np.cumsum(records["record_i"] == 0)
    for i, thread in enumerate(threads):
        _write_thread(folder, thread, records[number_of_pulse % len(threads) == i], compressor)
    readers = [thread.rpartition("_")[0] for thread in threads]
    return {
        "number": number,
        "start": start,
        "end": start + DURATION,
        "mode": "test",
        "daq_config": {
            "processing_threads": {reader: readers.count(reader) for reader in readers},
            "strax_chunk_length": CHUNK / 1e9,
            "strax_chunk_overlap": OVERLAP / 1e9,
            "strax_fragment_payload_bytes": 2 * N_SAMPLES,
            "compressor": compressor,
        },
    }


def _write_thread(folder: Path, thread: str, records: Records, compressor: str) -> None:
    if not len(records):
        return
    read_out = records["time"] + 2_000 * (records["channel"].astype(np.int64) % 2)
    records = records[np.argsort(read_out, kind="stable")]
    chunk, time = np.divmod(records["time"], PERIOD)
    last = chunk.max()
    for number in range(last + 1):
        main = records[(chunk == number) & (time < CHUNK)]
        overlap = records[(chunk == number) & (time >= CHUNK)]
        write_part(folder / f"{number:06d}" / thread, main, compressor)
        if number < last or len(overlap):
            write_part(folder / f"{number:06d}_post" / thread, overlap, compressor)
            write_part(folder / f"{number + 1:06d}_pre" / thread, overlap, compressor)
    (folder / "THE_END").mkdir(exist_ok=True)
    (folder / "THE_END" / thread).write_bytes(b"...my only friend\n")


def write_part(file: Path, records: Records, compressor: str = "lz4") -> None:
    """Write a file as a thread of redax does; without records it is a placeholder of 0 bytes."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(compress(records.tobytes(), compressor) if len(records) else b"")


def compress(data: bytes, compressor: str = "lz4") -> bytes:
    """Return data in redax's framing."""
    if compressor == "blosc":
        return bytes(blosc.compress(data, typesize=1, clevel=5, cname="lz4"))
    return bytes(
        lz4.frame.compress(
            data,
            compression_level=0,
            block_size=lz4.frame.BLOCKSIZE_MAX256KB,
            store_size=False,
        )
    )
