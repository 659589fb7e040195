"""The numbers of signals and records that each thread wrote to each part of each chunk.

A signal consists of the pulses that begin at about the same time: they are kept or lost together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xamsflow.redax.files import Records

MAIN_PART, OVERLAP = 0, 1

SAME_SIGNAL = 10_000
"""Maximum time between the starts of successive pulses of a signal, in any channel, ns."""


@dataclass(frozen=True)
class Counts:
    """The counts of a whole run, with the axes thread, chunk, and main part or overlap.

    `durations` are those of a main part and an overlap, ns. `written` tells for which main parts a
    thread has a file. `signal_sizes` are the sums, over all signals, of their numbers of records
    and of the squares of these numbers.
    """

    threads: tuple[str, ...]
    durations: tuple[int, int]
    signals: npt.NDArray[np.int64]
    records: npt.NDArray[np.int64]
    written: npt.NDArray[np.bool_]
    signal_sizes: tuple[float, float]

    @property
    def n_chunks(self) -> int:
        """The number of chunks in the run."""
        return int(self.signals.shape[1])

    def records_per_signal(self, thread: int | slice = slice(None)) -> float:
        """Return the mean number of records in the signals of a thread, or of all threads."""
        return float(self.records[thread].sum() / max(1, self.signals[thread].sum()))


class PartCounter:
    """Counts signals and records while a run is read; durations of parts are in ns."""

    def __init__(self, main_ns: int, overlap_ns: int, record_length: int) -> None:
        self._durations = main_ns, overlap_ns
        self._record_length = record_length
        self._files: dict[tuple[str, int, int], tuple[int, int]] = {}
        self._signal_sizes = np.zeros(2)

    def add(self, thread: str, chunk: int, part: int, headers: Records) -> None:
        """Add a file, given its record headers."""
        is_first = headers["record_i"] == 0
        time = headers["time"][is_first]
        order = np.argsort(time, kind="stable")  # the fastest, as most pulses are in order
        n_records = -(-headers["pulse_length"][is_first][order] // self._record_length)
        (begins,) = np.nonzero(np.diff(time[order], prepend=-SAME_SIGNAL - 1) > SAME_SIGNAL)
        sizes = np.add.reduceat(n_records.astype(np.float64), begins)
        self._files[thread, chunk, part] = len(sizes), len(headers)
        self._signal_sizes += sizes.sum(), (sizes**2).sum()

    def counts(self, threads: Sequence[str], n_chunks: int) -> Counts:
        """Return the counts of a run with these threads and chunks."""
        signals = np.zeros((len(threads), n_chunks, 2), np.int64)
        records = np.zeros_like(signals)
        written = np.zeros((len(threads), n_chunks), bool)
        place = {thread: index for index, thread in enumerate(threads)}
        for (thread, chunk, part), numbers in self._files.items():
            signals[place[thread], chunk, part], records[place[thread], chunk, part] = numbers
            written[place[thread], chunk] |= part == MAIN_PART
        sums = (float(self._signal_sizes[0]), float(self._signal_sizes[1]))
        return Counts(tuple(threads), self._durations, signals, records, written, sums)
