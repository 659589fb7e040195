"""How far a piece of work is: the work notes it, and others look, from any thread."""

import time
from dataclasses import dataclass
from typing import Any

from xamsflow.base import amounts

MB = 1_000_000


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is at one moment.

    `what` is the piece, as a data type that is made; `n_bytes` are those of the run's live data,
    of which each piece of work goes through all, 0 while nobody knows. `chunk` and `n_chunks` are
    None where the work is not done by chunk, or where nobody knows.
    """

    what: str
    bytes_done: float
    n_bytes: int
    chunk: int | None
    n_chunks: int | None
    elapsed_s: float

    @property
    def mb_per_s(self) -> float | None:
        """MB of live data per second since this piece of work began, None before the first."""
        if not self.bytes_done or self.elapsed_s <= 0:
            return None
        return self.bytes_done / MB / self.elapsed_s

    @property
    def time_left_s(self) -> float | None:
        """Time until this piece of work is done, if it goes on as it went; None if unknown."""
        if not self.bytes_done or not self.n_bytes:
            return None
        return self.elapsed_s * max(0.0, self.n_bytes / self.bytes_done - 1)

    @property
    def percent(self) -> int | None:
        """How much of it is done, cut to a whole number; None if there is nothing to do."""
        return int(100 * self.bytes_done / self.n_bytes) if self.n_bytes else None

    def fields(self) -> dict[str, Any]:
        """Return what the run document gets; None where something is not known."""
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
    """Where work notes how far it is; others may look at any moment, from any thread."""

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
        """Note how far a piece of work is; the first call for a piece is its beginning."""
        now = time.monotonic()
        if self._progress is None or self._progress.what != what:
            self._began = now
        elapsed = now - self._began
        self._progress = Progress(what, bytes_done, n_bytes, chunk, n_chunks, elapsed)

    def read(self) -> Progress | None:
        """Return how far the work was when it was last noted, None if it never was."""
        return self._progress
