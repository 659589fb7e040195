"""What redax's formatter threads do: sort records into parts of chunks, and when they let go.

A run's time is divided into periods; period k holds the main part of chunk k and then the overlap
between the chunks k and k + 1. Each thread gets some read-out batches and makes its own parts.
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
from xamsflow.simulate.physics_run import PhysicsRun
from xamsflow.simulate.pulses import Pulses, pulses_by_period
from xamsflow.simulate.records import Digitizers, record_dtype
from xamsflow.simulate.settings import SimulatedRun

Array = NDArray[Any]

BATCHES_PER_PERIOD = 55
"""Read-out batches per chunk period; 0.1 s each with redax's usual chunks."""


class Kind(Enum):
    """What a thread writes: the two parts of a chunk, and its last word."""

    MAIN = "main"
    OVERLAP = "overlap"
    THE_END = "THE_END"


@dataclass(frozen=True)
class Thread:
    """A formatter thread; `name` is that of its files, `number` counts within the reader."""

    reader: int
    number: int
    name: str


@dataclass(frozen=True)
class Part:
    """What a thread writes at once; no records means a placeholder, a file of 0 bytes.

    `time` is when this happens, ns since the run's start.
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

    A thread's number in its file name is a pthread handle: a stack's address near 2**47.
    """
    rng = np.random.default_rng([settings.seed, settings.number, 0, 1])
    result = []
    for reader in range(settings.readers):
        page = int(rng.integers(2**26, 2**27))
        for number in range(settings.threads):
            handle = 0x7F00_0000_0700 + page * 0x1000 - number * 0x80_1000
            result.append(Thread(reader, number, f"{reader_name(reader)}_{handle}"))
    return tuple(result)


def parts(
    settings: SimulatedRun,
    buffered_chunks: int,
    keep_signals: Callable[[Array], None] = lambda _: None,
) -> Iterator[Part]:
    """Yield what the threads write, in the order of time.

    A chunk is written when the mean chunk of all that a thread still holds is more than
    `buffered_chunks` later. A thread without data writes nothing. With physics, `keep_signals` is
    called with the truth of all signals, some at a time.
    """
    formatters = {
        thread: _Formatter(thread, settings, buffered_chunks) for thread in threads(settings)
    }
    turns = [
        cycle([thread for thread in formatters if thread.reader == reader][: _n_busy(settings)])
        for reader in range(settings.readers)
    ]
    had_data = set()
    if _n_busy(settings):
        for time, reader, records in _batches(settings, keep_signals):
            thread = next(turns[reader])
            had_data.add(thread)
            yield from formatters[thread].process(time, records)
    for thread, formatter in formatters.items():
        if thread in had_data:
            yield from formatter.end(settings.duration_ns)


def truth(settings: SimulatedRun) -> Array:
    """Return all unique records that the run has on disk, sorted by time and channel.

    The time is ns since the run's start. All of the run is in memory.
    """
    records = [np.zeros(0, dtype=record_dtype(settings.record_length))]
    records += [part.records for part in parts(settings, buffered_chunks=0)]
    unsorted = np.concatenate(records)
    return unsorted[np.lexsort((unsorted["channel"], unsorted["time"]))]


class _Formatter:
    """The buffers of one thread."""

    def __init__(self, thread: Thread, settings: SimulatedRun, buffered_chunks: int) -> None:
        self._thread = thread
        self._chunk_ns = settings.chunk_ns
        self._period_ns = settings.period_ns
        self._buffered_chunks = buffered_chunks
        self._none = np.zeros(0, dtype=record_dtype(settings.record_length))
        self._main: defaultdict[int, list[Array]] = defaultdict(list)
        self._overlap: defaultdict[int, list[Array]] = defaultdict(list)
        self._first_unwritten = 0

    def process(self, time: int, records: Array) -> Iterator[Part]:
        """Take a batch, then yield the parts of chunks that are old enough by now."""
        chunk, in_overlap = part_of_chunk(records["time"], self._chunk_ns, self._period_ns)
        for buffers, selected in ((self._main, ~in_overlap), (self._overlap, in_overlap)):
            for index in np.unique(chunk[selected]):
                buffers[int(index)].append(records[selected & (chunk == index)])
        if self._main:
            mean = self._mean_chunk()
            oldest = min(index for index in self._main if mean - index <= self._buffered_chunks)
            yield from self._write_below(oldest, time)

    def end(self, time: int) -> Iterator[Part]:
        """Yield all that is left, and THE_END.

        The last chunk is not completed: it has an overlap only if there are records for it.
        """
        if self._main:
            last = max(self._main)
            yield from self._write_below(last, time)
            yield self._part(time, Kind.MAIN, last, self._main.pop(last))
            if last in self._overlap:
                yield self._part(time, Kind.OVERLAP, last, self._overlap.pop(last))
        yield self._part(time, Kind.THE_END, 0, [])

    def _mean_chunk(self) -> float:
        sizes = {
            index: sum(map(len, [*self._main[index], *self._overlap.get(index, [])]))
            for index in self._main
        }
        return sum(index * size for index, size in sizes.items()) / sum(sizes.values())

    def _write_below(self, chunk: int, time: int) -> Iterator[Part]:
        for index in range(self._first_unwritten, chunk):
            main = self._main.pop(index, [])
            overlap = self._overlap.pop(index, [])
            yield self._part(time, Kind.MAIN, index, main)
            # redax goes through its main parts: an overlap without a main part is lost.
            yield self._part(time, Kind.OVERLAP, index, overlap if main else [])
        self._first_unwritten = max(chunk, self._first_unwritten)

    def _part(self, time: int, kind: Kind, chunk: int, records: list[Array]) -> Part:
        joined = np.concatenate([self._none, *records])
        return Part(time, self._thread, kind, chunk, joined)


def _n_busy(settings: SimulatedRun) -> int:
    return settings.threads - settings.idle_threads


def _batches(
    settings: SimulatedRun, keep_signals: Callable[[Array], None]
) -> Iterator[tuple[int, int, Array]]:
    """Yield time, reader and records of each read-out batch that has any, in the order of time.

    The records are in order of board, event, channel and fragment.
    """
    batch_ns = -(-settings.period_ns // BATCHES_PER_PERIOD)
    if settings.physics is not None:
        yield from PhysicsRun(settings, settings.physics).batches(batch_ns, keep_signals)
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
    """Yield the pulses of each label; they are in its order."""
    borders = np.flatnonzero(np.diff(label)) + 1
    starts = [0, *borders.tolist()]
    for start, end in zip(starts, [*starts[1:], len(pulses)], strict=True):
        if start < end:
            yield pulses[start:end]
