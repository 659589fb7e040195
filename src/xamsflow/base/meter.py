"""Progress of a piece of work: the work records it, and any thread can read it."""

import time
from dataclasses import dataclass
from typing import Any

from xamsflow.base import amounts

MB = 1_000_000


@dataclass(frozen=True)
class Progress:
    """The progress of a piece of work at one moment.

    `what` names the piece, for example the data type being computed. Each piece processes all of
    the run's live data, `n_bytes` (0 if unknown). `chunk` and `n_chunks` are None if they are
    unknown or if the work is not divided into chunks.
    """

    what: str
    bytes_done: float
    n_bytes: int
    chunk: int | None
    n_chunks: int | None
    elapsed_s: float

    @property
    def mb_per_s(self) -> float | None:
        """MB of live data per second since this piece of work began, or None before the first."""
        if not self.bytes_done or self.elapsed_s <= 0:
            return None
        return self.bytes_done / MB / self.elapsed_s

    @property
    def time_left_s(self) -> float | None:
        """Estimated time until this piece of work is done at its average rate; None if unknown."""
        if not self.bytes_done or not self.n_bytes:
            return None
        return self.elapsed_s * max(0.0, self.n_bytes / self.bytes_done - 1)

    @property
    def percent(self) -> int | None:
        """The percentage done, rounded down; None if there is nothing to do."""
        return int(100 * self.bytes_done / self.n_bytes) if self.n_bytes else None

    def fields(self) -> dict[str, Any]:
        """Return the fields for the run document; unknown values are None."""
        rate, left = self.mb_per_s, self.time_left_s
        return {
            "what": self.what,
            "chunk": self.chunk,
            "n_chunks": self.n_chunks,
            "percent": self.percent,
            "mb_per_s": None if rate is None else round(rate, 1),
            "time_left_s": None if left is None else round(left),
        }

    def __str__(self) -> str:
        if self.n_chunks is None and self.chunk is not None:
            done = f"{self.chunk} chunks"
        elif self.n_chunks is None:
            of_all = f" of {self.n_bytes / MB:.0f}" if self.n_bytes else ""
            done = f"{self.bytes_done / MB:.0f}{of_all} MB"
        else:
            done = f"{self.chunk} of {self.n_chunks} chunks"
        parts = [f"{self.what}: {done}"]
        if self.mb_per_s is not None:
            parts.append(f"{self.mb_per_s:.1f} MB/s")
        if self.time_left_s is not None:
            parts.append(f"{amounts.duration(self.time_left_s)} left")
        return ", ".join(parts)


class Meter:
    """A record of progress that any thread may read at any time."""

    def __init__(self) -> None:
        self._began = 0.0
        self._progress: Progress | None = None

    def reach(
        self,
        what: str,
        bytes_done: float,
        n_bytes: int,
        *,
        chunk: int | None = None,
        n_chunks: int | None = None,
    ) -> None:
        """Record the progress of a piece of work; the first call for a piece marks its start."""
        now = time.monotonic()
        if self._progress is None or self._progress.what != what:
            self._began = now
        elapsed = now - self._began
        self._progress = Progress(what, bytes_done, n_bytes, chunk, n_chunks, elapsed)

    def read(self) -> Progress | None:
        """Return the most recent progress, or None if there is none yet."""
        return self._progress
