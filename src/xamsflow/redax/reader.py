"""The parts of a run, one after the other, read and checked.

Main parts and overlaps are asked for in the order of time: main part 0, overlap 0, main part 1, …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.redax import files, records
from xamsflow.redax.files import DamagedFileError, Records
from xamsflow.redax.findings import DEGRADED, Findings
from xamsflow.redax.folder import Chunk, LiveData, Overlap, survey
from xamsflow.redax.growing import Growing
from xamsflow.redax.pulses import Pulses
from xamsflow.redax.rates import Rates
from xamsflow.redax.records import SHORT_CLOCK, Channels, record_dtype
from xamsflow.redax.rundoc import NS_PER_S

MIN_SILENCE = 5 * NS_PER_S
"""ns between data and the run's end that say nothing: the DAQ takes its time to stop."""

SURE_OF_MORE = 50
"""Pulses to be expected in a silence before the end, for it to be none."""

SUSPECT_SILENCE = 0
SURE_OF_SOME = 5
"""The same where the folders show that somebody took chunks away from the run's end."""

_Piece = tuple[Records, Records]
"""The records of one file, and their headers."""


@dataclass(frozen=True)
class Format:
    """How a run was written: durations in ns, record length in samples.

    `readers` maps a reader's name to its number of threads, None where nobody knows. `duration` is
    the run's, None where nobody knows.
    """

    readers: Mapping[str, int] | None
    compressor: str
    record_length: int
    chunk_duration: int
    overlap_duration: int
    duration: int | None

    @property
    def dtype(self) -> np.dtype[np.void]:
        """One record of the run."""
        return record_dtype(self.record_length)


@dataclass(frozen=True)
class Window:
    """Records that start in [start, end), in ns since the run's start.

    `order` sorts `records` by time and channel; what follows it is in that order. `output` is
    the place of a record's output in the detector's channel map.
    """

    name: str
    start: int
    end: int
    records: Records
    order: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    endtime: npt.NDArray[np.int64]
    output: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def last_endtime(self) -> int:
        """The end of the record that ends last, or the window's start."""
        return int(self.endtime.max(initial=self.start))


class Reader:
    """Reads a run and adds to `findings` whatever is wrong with it.

    The run has ended, unless `growing` hands out its chunks as they come.
    """

    def __init__(
        self,
        folder: Path,
        form: Format,
        channels: Channels,
        findings: Findings,
        growing: Growing | None = None,
    ) -> None:
        self.form = form
        self.channels = channels
        self.findings = findings
        self.n_records = 0
        self.empty_main_parts: list[str] = []
        self._folder = folder
        self._source = growing or survey(folder, form.readers, findings)
        self._pulses = Pulses(form.record_length, findings)
        self._rates = Rates(form.chunk_duration, form.overlap_duration)
        self._empty: set[str] = set()
        """Threads without data in the last main part."""
        self._nothing: _Piece = np.zeros(0, form.dtype), np.zeros(0, records.HEADER)
        if isinstance(self._source, LiveData):
            self._check_before_start(self._source)

    @property
    def n_chunks(self) -> int:
        """Number of chunks that the DAQ wrote of a run that has ended; 0 if there are no data."""
        return len(self._source.ended().chunks)

    def has(self, chunk: int) -> bool:
        """Tell whether the DAQ wrote this chunk; of a run that is being taken, wait for it."""
        return self._source.chunk(chunk) is not None

    def is_last(self, chunk: int) -> bool:
        """Tell whether no chunk follows this one, which there is."""
        return self._source.is_last(chunk)

    @property
    def n_bytes(self) -> int:
        """Bytes of all unique records that have been read."""
        return self.n_records * self.form.dtype.itemsize

    @property
    def channels_with_data(self) -> list[int]:
        """All channels that have had a pulse so far."""
        return self._pulses.channels

    def main(self, chunk: int) -> Window:
        """Read the main part of a chunk."""
        start = chunk * (self.form.chunk_duration + self.form.overlap_duration)
        window = start, start + self.form.chunk_duration
        was_empty, self._empty = bool(self._empty), set()
        pieces = []
        overlaps = self._chunk(chunk).overlap
        for thread, file in self._chunk(chunk).main.items():
            data = self._source.read(file)
            self._check_placeholder(data, file, overlaps.get(thread), chunk)
            piece = self._decode(data, file, window, chunk)
            if not len(piece[0]):
                self._empty.add(thread)
            self._count(thread, chunk, piece, overlap=False)
            pieces.append(piece)
        name = f"{chunk:06d}"
        if not any(len(found) for found, _ in pieces):
            self.empty_main_parts.append(name)
        return self._window(name, window, pieces, chunk, after_empty=was_empty)

    def overlap(self, chunk: int) -> Window | None:
        """Read the overlap behind a chunk; the last chunk may have none."""
        overlaps = self._chunk(chunk).overlap
        if not overlaps and self.is_last(chunk):
            return None
        start = chunk * (self.form.chunk_duration + self.form.overlap_duration)
        start += self.form.chunk_duration
        window = start, start + self.form.overlap_duration
        pieces = []
        for thread, overlap in overlaps.items():
            piece = self._read_overlap(overlap, window, chunk)
            self._count(thread, chunk, piece, overlap=True)
            pieces.append(piece)
        return self._window(f"{chunk:06d}_post", window, pieces, chunk, after_empty=False)

    def finish(self) -> None:
        """Check what can only be said when all parts have been read."""
        source = self._source
        live_data = source.ended()
        self._pulses.finish()
        self._rates.finish(live_data.threads, len(live_data.chunks), self.findings)
        duration = source.duration if isinstance(source, Growing) else self.form.duration
        self._check_duration(live_data, duration)

    def _chunk(self, number: int) -> Chunk:
        chunk = self._source.chunk(number)
        assert chunk is not None
        return chunk

    def _count(self, thread: str, chunk: int, piece: _Piece, *, overlap: bool) -> None:
        _, headers = piece
        n_pulses = int(np.count_nonzero(headers["record_i"] == 0))
        self._rates.count(thread, chunk, n_pulses, len(headers), overlap=overlap)

    def _decode(self, data: bytes, file: Path, window: tuple[int, int], chunk: int) -> _Piece:
        """Return the records of a file and their headers, none if they cannot be used."""
        try:
            found = files.decode(data, self.form.compressor, self.form.dtype)
        except DamagedFileError as error:
            self.findings.add(
                error.rule, f"{file} {error}", lost_ns=None, lost_records=None, chunk=chunk
            )
            return self._nothing
        headers = records.check(
            found,
            file,
            window=window,
            channels=self.channels,
            findings=self.findings,
            chunk=chunk,
        )
        return self._nothing if headers is None else (found, headers)

    def _read_overlap(self, overlap: Overlap, window: tuple[int, int], chunk: int) -> _Piece:
        """Return the records of a thread's overlap; where it is damaged, those of its copy."""
        copies = [file for file in (overlap.post, overlap.pre) if file is not None]
        contents = [self._source.read(file) for file in copies]
        if len(set(contents)) == 1:
            return self._decode(contents[0], copies[0], window, chunk)
        damages = [self._damage(data) for data in contents]
        for i, damage in enumerate(damages):
            if damage is not None and damages[1 - i] is None:
                self.findings.add(
                    damage.rule,
                    f"{copies[i]} {damage}, its copy {copies[1 - i]} is used",
                    severity=DEGRADED,
                    chunk=chunk,
                )
                return self._decode(contents[1 - i], copies[1 - i], window, chunk)
        if damages == [None, None] and not self._are_equal(*contents):
            self.findings.add(
                "T17",
                f"{copies[0]} and its copy {copies[1]} differ",
                lost_records=None,
                chunk=chunk,
            )
        return self._decode(contents[0], copies[0], window, chunk)

    def _damage(self, data: bytes) -> DamagedFileError | None:
        if not data:
            return DamagedFileError("T17", "is empty")
        try:
            files.decode(data, self.form.compressor, self.form.dtype)
        except DamagedFileError as error:
            return error
        return None

    def _are_equal(self, data: bytes, copied: bytes) -> bool:
        """Compare what files hold: the same records may be compressed in two ways."""
        one, other = (
            files.decode(content, self.form.compressor, self.form.dtype)
            for content in (data, copied)
        )
        return one.tobytes() == other.tobytes()

    def _window(
        self,
        name: str,
        window: tuple[int, int],
        pieces: list[_Piece],
        chunk: int,
        *,
        after_empty: bool,
    ) -> Window:
        found, headers = pieces[0] if len(pieces) == 1 else self._nothing
        if len(pieces) > 1:
            found = np.concatenate([piece for piece, _ in pieces])
            headers = np.concatenate([header for _, header in pieces])
        time = np.ascontiguousarray(headers["time"])
        channel = np.ascontiguousarray(headers["channel"])
        order = np.lexsort((channel, time))
        time, channel = time[order], channel[order]
        where = str(self._folder / name)
        twice = np.flatnonzero((time[1:] == time[:-1]) & (channel[1:] == channel[:-1]))
        if len(twice):
            self.findings.add(
                "T32",
                f"in {where} {len(twice)} records are there twice, the first of channel "
                f"{channel[twice[0]]} at {time[twice[0]]} ns",
                chunk=chunk,
            )
        else:
            self._pulses.follow(headers, order, where, chunk, after_empty=after_empty)
        self.n_records += len(found)
        duration = headers["length"] * headers["dt"].astype(np.int64)
        return Window(
            name=name,
            start=window[0],
            end=window[1],
            records=found,
            order=order,
            time=time,
            endtime=time + duration[order],
            output=self.channels.output[channel.view(np.uint16)],
        )

    def _check_placeholder(
        self, data: bytes, file: Path, overlap: Overlap | None, chunk: int
    ) -> None:
        """Check that an empty main part is one of redax: then it wrote no overlap either."""
        if data or overlap is None:
            return
        behind = overlap.post or overlap.pre
        if behind is None or not files.size(behind):
            return
        self.findings.add(
            "T6",
            f"{file} is empty, but {behind} is not: the DAQ never writes that",
            lost_ns=self.form.chunk_duration,
            lost_records=None,
            chunk=chunk,
        )

    def _check_before_start(self, live_data: LiveData) -> None:
        folder = self._folder / "000000_pre"
        if not folder.is_dir():
            return
        n_records = 0
        for file in live_data.before_start:
            try:
                data = files.read(file)
                n_records += len(files.decode(data, self.form.compressor, self.form.dtype))
            except DamagedFileError as error:
                self.findings.add("T18", f"{file} {error}", severity=DEGRADED, lost_records=None)
        if n_records:
            self.findings.add(
                "T18",
                f"{folder} holds {n_records} records from before the start, they are left out",
                severity=DEGRADED,
                lost_records=n_records,
            )
        else:
            self.findings.add("T18", f"{folder} is there, without records")

    def _check_duration(self, live_data: LiveData, duration: int | None) -> None:
        n_pulses = self._pulses.n_pulses
        if duration is None or not n_pulses:
            return
        first, end = self._pulses.first, self._pulses.end
        if end > duration + MIN_SILENCE:
            late = self._pulses.ending_behind(duration + MIN_SILENCE)
            short_clock = all(width == SHORT_CLOCK for width in late.values())
            listed = ", ".join(str(channel) for channel in late)
            self.findings.add(
                "T23" if short_clock else "duration",
                f"channels {listed} have data until {(end - duration) / NS_PER_S:.2f} s behind "
                "the end of the run document",
                severity=DEGRADED,
            )
        silence = duration - end
        expected = n_pulses / max(1, end - first) * silence
        min_silence, sure = MIN_SILENCE, SURE_OF_MORE
        if live_data.lacks_last_copy:
            min_silence, sure = SUSPECT_SILENCE, SURE_OF_SOME
        if silence > min_silence and expected > sure:
            per_pulse = self.n_records / n_pulses
            self.findings.add(
                "duration",
                f"data end {silence / NS_PER_S:.2f} s before the end of the run document, and "
                f"about {expected:.0f} pulses were to be expected there",
                lost_ns=silence,
                lost_records=round(expected * per_pulse),
            )


def facts(reader: Reader) -> dict[str, Any]:
    """Return what is known of a run once it has been read."""
    return {
        "records_on_disk": reader.n_records,
        "empty_main_parts": reader.empty_main_parts,
        "channels": reader.channels_with_data,
    }
