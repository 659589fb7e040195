"""The parts of a run, read in sequence and checked.

Main parts and overlaps must be requested in order of time: main part 0, overlap 0, main part 1, …
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xamsflow.redax import dropped, files, missing_signals, records
from xamsflow.redax.counts import MAIN_PART, OVERLAP, PartCounter
from xamsflow.redax.files import DamagedFileError, Records
from xamsflow.redax.findings import DEGRADED, Findings
from xamsflow.redax.folder import Chunk, LiveData, Overlap, survey
from xamsflow.redax.growing import Growing
from xamsflow.redax.pulses import PulseTracker
from xamsflow.redax.records import CLOCK_ROLLOVER, SHORT_CLOCK, Channels, record_dtype
from xamsflow.redax.rundoc import DEFAULT_BUFFERED_CHUNKS, NS_PER_S

MIN_SILENCE = 5 * NS_PER_S
"""ns between the last data and the run's end that are normal, because the DAQ stops slowly."""

MIN_SIGNALS = 10
"""With fewer signals in a run, no number of signals is expected."""

SURE_OF_MORE = 50
"""Expected signals in a silence before the end that make it a fault."""

SUSPECT_SILENCE = 0
SURE_OF_SOME = 5
"""The same, if the folders show that chunks are missing at the end of the run."""

MIN_OF_ANOTHER = 30
SHARE_OF_ANOTHER = 0.1
"""Pulses on inputs that the detector lacks, and their share, that indicate another detector."""

_Piece = tuple[Records, Records]
"""The records of a file and their headers."""


@dataclass(frozen=True)
class Format:
    """The format of a run: durations in ns, record length in samples.

    `readers` maps a reader's name to its number of threads, or None if unknown. `duration` is the
    run's, or None if unknown. `buffered_chunks` is the number of chunks that redax buffers.
    `enabled_inputs` are the channels and sample widths (ns) of the inputs that redax may have read.
    """

    readers: Mapping[str, int] | None
    compressor: str
    record_length: int
    chunk_duration: int
    overlap_duration: int
    duration: int | None
    buffered_chunks: int = DEFAULT_BUFFERED_CHUNKS
    enabled_inputs: frozenset[tuple[int, int]] = frozenset()

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The type of the run's records."""
        return record_dtype(self.record_length)


@dataclass(frozen=True)
class Window:
    """Records that start in [start, end), in ns since the run's start.

    `order` sorts `records` by time and channel, and the remaining fields have that order. `output`
    is the index of a record's output in the detector's channel map.
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
        """The latest end of any record, or the window's start."""
        return int(self.endtime.max(initial=self.start))


class Reader:
    """Reads a run and adds any fault to `findings`.

    The run has ended, unless `growing` supplies its chunks as they arrive.
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
        self.channels = channels.with_inputs(form.enabled_inputs)
        self.findings = findings
        self.n_records = 0
        self.n_unconnected = 0
        """Records of inputs that the detector lacks; they are not in any window."""
        self.empty_main_parts: list[str] = []
        self._folder = folder
        self._source = growing or survey(folder, form.readers, findings)
        self._pulses = PulseTracker(form.record_length, findings)
        self._counter = PartCounter(form.chunk_duration, form.overlap_duration, form.record_length)
        self._unconnected: Counter[int] = Counter()
        """Pulses of such inputs, by channel."""
        self._is_of_another = False
        self._empty: set[str] = set()
        """Threads without data in the last main part."""
        self._damaged: _Piece = np.zeros(0, form.dtype), np.zeros(0, records.HEADER)
        """What a file that cannot be used contributes: nothing."""
        if isinstance(self._source, LiveData):
            self._check_before_start(self._source)

    @property
    def n_chunks(self) -> int:
        """Number of chunks that the DAQ wrote for a run that has ended; 0 if there are no data."""
        return len(self._source.ended().chunks)

    def has(self, chunk: int) -> bool:
        """Return whether the DAQ wrote this chunk; for a run that is being taken, wait for it."""
        return self._source.chunk(chunk) is not None

    def is_last(self, chunk: int) -> bool:
        """Return whether this chunk, which must exist, is the last one."""
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
        for thread, file in self._chunk(chunk).main.items():
            piece = self._decode(self._source.read(file), file, window, chunk)
            if not len(piece[0]):
                self._empty.add(thread)
            if piece is not self._damaged:
                self._counter.add(thread, chunk, MAIN_PART, piece[1])
            pieces.append(piece)
        name = f"{chunk:06d}"
        if not any(len(found) for found, _ in pieces):
            self.empty_main_parts.append(name)
        return self._window(name, window, pieces, chunk, after_empty=was_empty)

    def overlap(self, chunk: int) -> Window | None:
        """Read the overlap after a chunk; the last chunk may have none."""
        overlaps = self._chunk(chunk).overlap
        if not overlaps and self.is_last(chunk):
            return None
        start = chunk * (self.form.chunk_duration + self.form.overlap_duration)
        start += self.form.chunk_duration
        window = start, start + self.form.overlap_duration
        pieces = []
        for thread, overlap in overlaps.items():
            piece = self._read_overlap(overlap, window, chunk)
            self._counter.add(thread, chunk, OVERLAP, piece[1])
            pieces.append(piece)
        return self._window(f"{chunk:06d}_post", window, pieces, chunk, after_empty=False)

    def finish(self) -> None:
        """Make the checks that are possible only after all parts have been read."""
        source = self._source
        live_data = source.ended()
        self._pulses.finish()
        duration = source.duration if isinstance(source, Growing) else self.form.duration
        counts = self._counter.counts(live_data.threads, len(live_data.chunks))
        self._report_unconnected()
        missing_signals.check(counts, self.form.buffered_chunks, self.findings)
        dropped.check(counts, live_data.silent_threads, duration, self.findings)
        self._check_duration(live_data, duration, int(counts.signals.sum()))

    def _chunk(self, number: int) -> Chunk:
        chunk = self._source.chunk(number)
        assert chunk is not None
        return chunk

    def _decode(self, data: bytes, file: Path, window: tuple[int, int], chunk: int) -> _Piece:
        """Return the records of a file and their headers, none if the file is unusable."""
        try:
            found = files.decode(data, self.form.compressor, self.form.dtype)
        except DamagedFileError as error:
            self.findings.add(
                error.rule, f"{file} {error}", lost_ns=None, lost_records=None, chunk=chunk
            )
            return self._damaged
        headers = records.check(
            found,
            file,
            window=window,
            channels=self.channels,
            may_roll_over=self.form.duration is None or self.form.duration > CLOCK_ROLLOVER,
            findings=self.findings,
            chunk=chunk,
        )
        if headers is None:
            return self._damaged
        self.n_records += len(found)
        unconnected = self.channels.are_unconnected(headers)
        if unconnected.any():
            left_out = headers[unconnected]
            self.n_unconnected += len(left_out)
            self._unconnected.update(left_out["channel"][left_out["record_i"] == 0].tolist())
            found, headers = found[~unconnected], headers[~unconnected]
        return found, headers

    def _read_overlap(self, overlap: Overlap, window: tuple[int, int], chunk: int) -> _Piece:
        """Return the records of a thread's overlap, or those of its copy if it is damaged."""
        copies = [file for file in (overlap.post, overlap.pre) if file is not None]
        contents = [self._source.read(file) for file in copies]
        if contents[0] == contents[-1]:
            return self._decode(contents[0], copies[0], window, chunk)
        damages = [self._damage(data) for data in contents]
        for i, damage in enumerate(damages):
            if damage is not None and damages[1 - i] is None:
                self.findings.add(
                    damage.rule,
                    f"{copies[i]} {damage}; its copy {copies[1 - i]} is used",
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
        """Compare the contents of files; compression may differ for the same records."""
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
        found, headers = pieces[0] if len(pieces) == 1 else self._damaged
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
                f"{len(twice)} records in {where} are duplicates, the first in channel "
                f"{channel[twice[0]]} at {time[twice[0]]} ns",
                chunk=chunk,
            )
        else:
            self._pulses.follow(headers, order, where, chunk, after_empty=after_empty)
        self._check_detector()
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

    def _check_detector(self) -> None:
        """Reject the run if data of inputs that the detector lacks are more than noise."""
        n_pulses = self._unconnected.total()
        n_all = n_pulses + self._pulses.n_pulses if n_pulses >= MIN_OF_ANOTHER else 0
        if n_pulses > SHARE_OF_ANOTHER * n_all > 0 and not self._is_of_another:
            self._is_of_another = True
            self.findings.add(
                "T19",
                f"{n_pulses} of {n_all} pulses belong to {self._unconnected_channels()}",
                lost_records=self.n_unconnected,
            )

    def _report_unconnected(self) -> None:
        if self._unconnected and not self._is_of_another:
            self.findings.add(
                "T19",
                f"{self._unconnected.total()} pulses are left out because they belong to "
                f"{self._unconnected_channels()}",
                severity=DEGRADED,
                lost_records=self.n_unconnected,
            )

    def _unconnected_channels(self) -> str:
        listed = ", ".join(str(channel) for channel in sorted(self._unconnected))
        return (
            f"channels {listed}, which the run document assigns to boards but the detector file "
            f"lacks: {self.channels}"
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
                f"{folder} contains {n_records} records from before the start, which are left out",
                severity=DEGRADED,
                lost_records=n_records,
            )
        else:
            self.findings.add("T18", f"{folder} exists but contains no records")

    def _check_duration(self, live_data: LiveData, duration: int | None, n_signals: int) -> None:
        if duration is None or not self._pulses.n_pulses:
            return
        first, end = self._pulses.first, self._pulses.end
        if end > duration + MIN_SILENCE:
            late = self._pulses.ending_after(duration + MIN_SILENCE)
            short_clock = all(width == SHORT_CLOCK for width in late.values())
            listed = ", ".join(str(channel) for channel in late)
            self.findings.add(
                "T23" if short_clock else "duration",
                f"channels {listed} have data until {(end - duration) / NS_PER_S:.2f} s after "
                "the end in the run document",
                severity=DEGRADED,
            )
        silence = duration - end
        expected = n_signals / max(1, end - first) * silence if n_signals >= MIN_SIGNALS else 0.0
        min_silence, sure = MIN_SILENCE, SURE_OF_MORE
        if live_data.lacks_last_copy:
            min_silence, sure = SUSPECT_SILENCE, SURE_OF_SOME
        if silence > min_silence and expected > sure:
            self.findings.add(
                "duration",
                f"data end {silence / NS_PER_S:.2f} s before the end in the run document, but "
                f"about {expected:.0f} signals are expected after that",
                lost_ns=silence,
                lost_records=round(expected * self.n_records / n_signals),
            )
