"""How far long work is: at the terminal, in the job's log, and in the run document.

In the run document it is also the job's sign of life. Who does the work only moves a
:class:`Meter`; threads beside it look at the meter and tell, so that no terminal, disk or database
that is slow or away ever holds up the work.
"""

import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from xamsflow import quantities
from xamsflow.claims import Claim
from xamsflow.config import Rundb
from xamsflow.errors import XamsflowError

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

logger = logging.getLogger(__name__)

LOG_S = 30.0
TERMINAL_S = 10.0
RUN_DOCUMENT_S = 60.0
"""Time between two reports; work that takes less makes none."""

END_S = 2.0
"""How long the end of the work waits for a report that is under way."""

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
        """Return what the run document is told; None stands where something is not known."""
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
            parts.append(f"{quantities.duration(self.time_left_s)} left")
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


def n_chunks(files: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of chunks of a run, from the files in the receipt of its transfer."""
    folders = {str(file["path"]).partition("/")[0] for file in files}
    return sum(re.fullmatch(r"\d{6}", folder, flags=re.ASCII) is not None for folder in folders)


@contextlib.contextmanager
def in_log(meter: Meter) -> Iterator[None]:
    """Tell the log now and then while the work goes on, if there is anything new."""
    with _every(LOG_S, meter, _if_new(lambda progress: logger.info("%s", progress))):
        yield


def terminal() -> TextIO | None:
    """Return the terminal behind stderr, kept though stderr go elsewhere later; None without."""
    if not sys.stderr.isatty():
        return None
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")


@contextlib.contextmanager
def at_terminal(meter: Meter, terminal: TextIO | None, name: str) -> Iterator[None]:
    """Tell the person at the terminal what is new now and then; `name` begins each line."""
    if terminal is None:
        yield
        return

    def tell(progress: Progress) -> None:
        print(name, progress, file=terminal, flush=True)

    with _every(TERMINAL_S, meter, _if_new(tell)):
        yield


@contextlib.contextmanager
def in_run_document(meter: Meter, rundb: Rundb, claim: Claim | None, stage: str) -> Iterator[None]:
    """Tell the run document now and then how far a claimed run's job is.

    A run database that is away is asked again the next time. Without a claim nobody is told.
    """
    if claim is None:
        yield
        return
    connection = contextlib.ExitStack()
    database: RunDatabase | None = None

    def tell(progress: Progress) -> None:
        nonlocal database
        try:
            if database is None:
                from xamsflow.rundb import open_database  # noqa: PLC0415 - short jobs need none

                database = connection.enter_context(open_database(rundb))
            database.progress(claim, stage, progress.fields())
        except XamsflowError as error:
            logger.debug("the run document was not told of the progress: %s", error)

    with _every(RUN_DOCUMENT_S, meter, tell, connection.close):
        yield


def _if_new(tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    told: Progress | None = None

    def tell_if_new(progress: Progress) -> None:
        nonlocal told
        if progress != told:
            tell(progress)
        told = progress

    return tell_if_new


@contextlib.contextmanager
def _every(
    period: float,
    meter: Meter,
    tell: Callable[[Progress], None],
    close: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Call `tell` each `period` s in a thread, and `close` there at the end."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(period):
            progress = meter.read()
            if progress is not None:
                # A terminal that was closed or a disk that is full is not the work's trouble.
                with contextlib.suppress(OSError):
                    tell(progress)
        close()

    thread = threading.Thread(target=work, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_S)
