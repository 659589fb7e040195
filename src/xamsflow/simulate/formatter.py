"""Simulation of redax's formatter threads: they sort records into parts and write them in time.

A run's time is divided into periods; period k holds the main part of chunk k and the overlap
between the chunks k and k + 1. Each thread receives some read-out batches and makes separate parts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.boards import boards, reader_name
from xamsflow.simulate.led_run import LedRun
from xamsflow.simulate.physics_run import PhysicsRun
from xamsflow.simulate.pulses import Pulses, pulses_by_period
from xamsflow.simulate.records import Digitizers, record_dtype
from xamsflow.simulate.settings import SimulatedRun

Array = NDArray[Any]

BATCHES_PER_PERIOD = 55
"""Read-out batches per chunk period; 0.1 s each for redax's default chunks."""


class Kind(Enum):
    """What a thread writes: the two parts of a chunk, and the mark of its end."""

    MAIN = "main"
    OVERLAP = "overlap"
    THE_END = "THE_END"


@dataclass(frozen=True)
class Thread:
    """A formatter thread; `name` is used for its files, `number` counts within the reader."""

    reader: int
    number: int
    name: str


@dataclass(frozen=True)
class Part:
    """A part that a thread writes; without records it is a placeholder, a file of 0 bytes.

    `time` is when it is written, ns since the run's start. After late data, a thread may write a
    part again, which replaces the earlier one.
    """

    time: int
    thread: Thread
    kind: Kind
    chunk: int
    records: Array


def part_of_chunk(time: Array, chunk_ns: int, period_ns: int) -> tuple[Array, Array]:
    """Return the chunk of records that begin at `time`, and whether they are in its overlap."""
    chunk, since = np.divmod(time, period_ns)
    return chunk, since >= chunk_ns


def threads(settings: SimulatedRun) -> tuple[Thread, ...]:
    """Return all formatter threads, reader by reader.

    A thread's number in file names is a pthread handle: a stack address near 2**47.
    """
    rng = np.random.default_rng([settings.seed, settings.number, 0, 1])
    result = []
    for reader in range(settings.readers):
        page = int(rng.integers(2**26, 2**27))
        for number in range(settings.n_threads):
            handle = 0x7F00_0000_0700 + page * 0x1000 - number * 0x80_1000
            result.append(Thread(reader, number, f"{reader_name(reader)}_{handle}"))
    return tuple(result)


def parts(
    settings: SimulatedRun, keep_signals: Callable[[Array], None] = lambda _: None
) -> Iterator[Part]:
    """Yield what the threads write, in order of time.

    With physics, `keep_signals` is called repeatedly with the truth of further signals.
    """
    formatters = {thread: _Formatter(thread, settings) for thread in threads(settings)}
    turns = [
        cycle([thread for thread in formatters if thread.reader == reader][: _n_busy(settings)])
        for reader in range(settings.readers)
    ]
    had_data = {
        thread
        for thread in formatters
        if 0 <= thread.number - _n_busy(settings) < settings.board_fail_threads
    }
    if _n_busy(settings):
        for time, reader, records in _delivered(settings, keep_signals):
            thread = next(turns[reader])
            had_data.add(thread)
            yield from formatters[thread].process(time, records)
    for thread, formatter in formatters.items():
        if thread in had_data:
            yield from formatter.end(settings.duration_ns)


def truth(settings: SimulatedRun) -> Array:
    """Return all unique records of the run on disk, sorted by time and channel.

    Times are ns since the run's start. The whole run is in memory.
    """
    none = np.zeros(0, dtype=record_dtype(settings.record_length))
    on_disk = {
        (part.thread, part.kind, part.chunk): part.records
        for part in parts(settings)
        if len(part.records)
    }
    return _in_order(np.concatenate([none, *on_disk.values()]))


def read_out(settings: SimulatedRun) -> Array:
    """Return all records that the threads receive, sorted as in :func:`truth`.

    The records missing in :func:`truth` were dropped by redax.
    """
    none = np.zeros(0, dtype=record_dtype(settings.record_length))
    if not _n_busy(settings):
        return none
    batches = (records for _, _, records in _batches(settings, lambda _: None))
    return _in_order(np.concatenate([none, *batches]))


def _in_order(records: Array) -> Array:
    return records[np.lexsort((records["channel"], records["time"]))]


class _Formatter:
    """The buffers of one thread.

    Main parts and overlaps are separate, and only chunks with a main part determine what is
    written: an overlap without a main part is written only if it lies within a sequence of chunks
    that are, and is lost otherwise.
    """

    def __init__(self, thread: Thread, settings: SimulatedRun) -> None:
        self._thread = thread
        self._chunk_ns = settings.chunk_ns
        self._period_ns = settings.period_ns
        self._buffered_chunks = settings.buffered_chunks
        self._none = np.zeros(0, dtype=record_dtype(settings.record_length))
        self._main: defaultdict[int, list[Array]] = defaultdict(list)
        self._overlap: defaultdict[int, list[Array]] = defaultdict(list)
        self._written: set[tuple[Kind, int]] = set()
        self._complete = 0
        """All files of chunks before this one have been written."""

    def process(self, time: int, records: Array) -> Iterator[Part]:
        """Add a batch, then yield the parts of chunks that are old enough."""
        chunk, in_overlap = part_of_chunk(records["time"], self._chunk_ns, self._period_ns)
        for buffers, selected in ((self._main, ~in_overlap), (self._overlap, in_overlap)):
            for index in np.unique(chunk[selected]):
                buffers[int(index)].append(records[selected & (chunk == index)])
        if self._main:
            first, old = min(self._main), self._mean_chunk() - self._buffered_chunks
            while first < old:
                yield from self._write(first, time)
                first += 1
            yield from self._complete_below(first, time)

    def end(self, time: int) -> Iterator[Part]:
        """Yield all remaining parts, and THE_END.

        The last chunk may be incomplete: it has an overlap only if there are records for it.
        """
        left = sorted(self._main)
        for chunk in left:
            yield from self._write(chunk, time)
        if left:
            yield from self._complete_below(left[-1], time)
        yield self._part(time, Kind.THE_END, 0, [])

    def _mean_chunk(self) -> float:
        sizes = {
            index: sum(map(len, [*self._main[index], *self._overlap.get(index, [])]))
            for index in self._main
        }
        return sum(index * size for index, size in sizes.items()) / sum(sizes.values())

    def _write(self, chunk: int, time: int) -> Iterator[Part]:
        for kind, buffers in ((Kind.MAIN, self._main), (Kind.OVERLAP, self._overlap)):
            records = buffers.pop(chunk, [])
            if records:
                self._written.add((kind, chunk))
                yield self._part(time, kind, chunk, records)

    def _complete_below(self, chunk: int, time: int) -> Iterator[Part]:
        for index in range(self._complete, chunk):
            for kind in (Kind.MAIN, Kind.OVERLAP):
                if (kind, index) not in self._written:
                    yield self._part(time, kind, index, [])
        self._complete = max(chunk, self._complete)

    def _part(self, time: int, kind: Kind, chunk: int, records: list[Array]) -> Part:
        joined = np.concatenate([self._none, *records])
        return Part(time, self._thread, kind, chunk, joined)


def _n_busy(settings: SimulatedRun) -> int:
    return settings.n_threads - settings.idle_threads


def _delivered(
    settings: SimulatedRun, keep_signals: Callable[[Array], None]
) -> Iterator[tuple[int, int, Array]]:
    """Yield batches as threads receive them: some are late and swap places with a later one."""
    rng = np.random.default_rng([settings.seed, settings.number, 0, 2])
    late: list[tuple[int, int, Array]] = []
    for time, reader, records in _batches(settings, keep_signals):
        while late and late[0][0] <= time:
            yield time, *late.pop(0)[1:]
        if rng.random() < settings.late_fraction:
            delay = round(settings.late_chunks * settings.period_ns)
            late.append((time + delay, reader, records))
        else:
            yield time, reader, records
    for _, reader, records in late:
        yield settings.duration_ns, reader, records


def _batches(
    settings: SimulatedRun, keep_signals: Callable[[Array], None]
) -> Iterator[tuple[int, int, Array]]:
    """Yield the time, reader and records of each read-out batch with data, in order of time.

    The records are in order of board, event, channel and fragment.
    """
    batch_ns = -(-settings.period_ns // BATCHES_PER_PERIOD)
    if settings.physics is not None:
        yield from PhysicsRun(settings, settings.physics).batches(batch_ns, keep_signals)
        return
    if settings.led is not None:
        yield from LedRun(settings, settings.led).batches(batch_ns)
        return
    inputs = [one for board in boards(settings) for one in board.inputs]
    sample_widths = np.array([one.sample_width for one in inputs])
    reader_of = np.array([one.reader for one in inputs])
    board_of = np.array([one.board for one in inputs])
    rng = np.random.default_rng([settings.seed, settings.number, 0, 0])
    digitizers = Digitizers(inputs, settings.record_length, settings.noise, rng)

    periods = pulses_by_period(settings, sample_widths)
    for period, (pulses, period_rng) in enumerate(periods):
        begin = period * settings.period_ns
        batch = (pulses.event - begin) // batch_ns
        reader = reader_of[pulses.input]
        order = np.lexsort((pulses.input, pulses.event, board_of[pulses.input], reader, batch))
        for group in _groups(pulses[order], (batch * settings.readers + reader)[order]):
            first = int(group.input[0])
            end = begin + ((int(group.event[0]) - begin) // batch_ns + 1) * batch_ns
            records = digitizers.records(group, period_rng)
            yield min(end, settings.duration_ns), int(reader_of[first]), records


def _groups(pulses: Pulses, label: Array) -> Iterator[Pulses]:
    """Yield the pulses of each label; the pulses are sorted by label."""
    borders = np.flatnonzero(np.diff(label)) + 1
    starts = [0, *borders.tolist()]
    for start, end in zip(starts, [*starts[1:], len(pulses)], strict=True):
        if start < end:
            yield pulses[start:end]
