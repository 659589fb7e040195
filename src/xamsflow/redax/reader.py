"""The parts of a run, one after the other, read and checked.

Main parts and overlaps are asked for in the order of time: main part 0, overlap 0, main part 1, …
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
"""ns between data and the run's end that say nothing: the DAQ takes its time to stop."""

MIN_SIGNALS = 10
"""Signals of a run below which nothing is to be expected."""

SURE_OF_MORE = 50
"""Signals to be expected in a silence before the end, for it to be none."""

SUSPECT_SILENCE = 0
SURE_OF_SOME = 5
"""The same where the folders show that somebody took chunks away from the run's end."""

MIN_OF_ANOTHER = 30
SHARE_OF_ANOTHER = 0.1
"""Pulses, and their share, on inputs that the detector does not have, for it to be another one."""

_Piece = tuple[Records, Records]
"""The records of one file, and their headers."""


@dataclass(frozen=True)
class Format:
    """How a run was written: durations in ns, record length in samples.

    `readers` maps a reader's name to its number of threads, None where nobody knows. `duration` is
    the run's, None where nobody knows. `buffered_chunks` is how many chunks redax held back.
    `enabled_inputs` are channel and sample width (ns) of the inputs that redax may have read.
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
        self.channels = channels.with_inputs(form.enabled_inputs)
        self.findings = findings
        self.n_records = 0
        self.n_unconnected = 0
        """Records of inputs that the detector does not have; they are in no window."""
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
        """What is left of a file that cannot be used."""
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
        """Check what can only be said when all parts have been read."""
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
        """Return the records of a file and their headers, none if they cannot be used."""
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
                f"in {where} {len(twice)} records are there twice, the first of channel "
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
        """Reject the run where what the detector does not have is more than noise."""
        n_pulses = self._unconnected.total()
        n_all = n_pulses + self._pulses.n_pulses if n_pulses >= MIN_OF_ANOTHER else 0
        if n_pulses > SHARE_OF_ANOTHER * n_all > 0 and not self._is_of_another:
            self._is_of_another = True
            self.findings.add(
                "T19",
                f"{n_pulses} of {n_all} pulses are of {self._unconnected_channels()}",
                lost_records=self.n_unconnected,
            )

    def _report_unconnected(self) -> None:
        if self._unconnected and not self._is_of_another:
            self.findings.add(
                "T19",
                f"{self._unconnected.total()} pulses are left out, they are of "
                f"{self._unconnected_channels()}",
                severity=DEGRADED,
                lost_records=self.n_unconnected,
            )

    def _unconnected_channels(self) -> str:
        listed = ", ".join(str(channel) for channel in sorted(self._unconnected))
        return (
            f"channels {listed}, which the run document has on boards where the detector file has "
            f"nothing: {self.channels}"
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
                "the end of the run document",
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
                f"data end {silence / NS_PER_S:.2f} s before the end of the run document, and "
                f"about {expected:.0f} signals were to be expected there",
                lost_ns=silence,
                lost_records=round(expected * self.n_records / n_signals),
            )
