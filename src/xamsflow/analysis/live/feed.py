"""From the job that follows a run to the process that shows it.

Showing a run must not disturb its processing. The process is therefore separate and has a low
priority, the job never waits for it, and chunks that it has no time for are left out.
"""

import contextlib
import logging
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.exec_with_parent import with_parent
from xamsflow.rundb import run_document
from xamsflow.state import layout

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

NICE = 5
"""Priority: lower than the job's, higher than that of pictures of ended runs."""

MOST_BYTES = 100_000_000
"""Maximum amount of data waiting for the process; beyond that, chunks are left out."""

PULSES = 200
"""Waveforms of pulses sent per channel and chunk."""

ENDS_IN_S = 10.0
"""Time that the process has to end."""

RAW = "raw_records_"
SHOWN = ("pulse_counts", "peak_basics", "peaks", "events", "event_basics")
"""Data types that are sent as they are. Of raw records, some pulses are sent, and their number."""

RECORDS = "records"
MOST_RECORDS = 20_000_000
"""Bytes; records are needed only for the waveforms of one event, so larger chunks are not sent."""


@dataclass(frozen=True)
class Piece:
    """A chunk of data, from `start` to `end` (ns since the epoch).

    For raw records, `data` are the first records of some pulses, and `n_pulses` is the number of
    all pulses by channel. `n_left_out` counts the chunks left out before this one.
    """

    data_type: str
    start: int
    end: int
    data: Array
    n_pulses: Mapping[int, int]
    n_left_out: int = 0


@dataclass(frozen=True)
class Pause:
    """All that can be made so far has been sent: the next data come with the DAQ's next chunk."""


@contextlib.contextmanager
def feeding(document: Mapping[str, Any]) -> Iterator["Feed | None"]:
    """Yield a feed to the process that shows a run; None if there is no such process."""
    number = run_document.number(document)
    assert number is not None, "the run was found by its number"
    try:
        feed = Feed(layout.run_id(number), document)
    except Exception:  # whatever happens, the run is still followed
        logger.warning("the run is not shown while it is being taken", exc_info=True)
        yield None
        return
    try:
        yield feed
    finally:
        feed.end()


class Feed:
    """Passes data on to a process that shows them; call it with a data type and a chunk."""

    def __init__(self, run_id: str, document: Mapping[str, Any]) -> None:
        log = layout.live_log(run_id)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "xamsflow.analysis.live.show")
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                with_parent(["nice", "-n", str(NICE), *command]),
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        assert self._process.stdin is not None
        self._waiting: queue.SimpleQueue[Piece | Pause | None] = queue.SimpleQueue()
        self._n_bytes = 0
        self._n_left_out = 0
        self._is_paused = True
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._pass_on, args=(self._process.stdin, document), name="feed", daemon=True
        )
        self._thread.start()

    def __call__(self, data_type: str, chunk: Any) -> None:
        """Pass a strax chunk on, without waiting."""
        has_records = data_type == RECORDS and chunk.data.nbytes <= MOST_RECORDS
        if not (data_type.startswith(RAW) or data_type in SHOWN or has_records):
            return
        is_raw = data_type.startswith(RAW)
        data, n_pulses = some_pulses(chunk.data) if is_raw else (chunk.data, {})
        if self._n_bytes + data.nbytes > MOST_BYTES or not self._thread.is_alive():
            self._n_left_out += 1
            return
        piece = Piece(data_type, chunk.start, chunk.end, data, n_pulses, self._n_left_out)
        self._n_left_out = 0
        with self._lock:
            self._n_bytes += data.nbytes
        self._waiting.put(piece)
        self._is_paused = False

    def pause(self) -> None:
        """Announce that no more data can be made from what the DAQ has written so far."""
        if not self._is_paused:
            self._waiting.put(Pause())
        self._is_paused = True

    @property
    def is_shown(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process; the run is over, and is shown like any other from now on."""
        if not self.is_shown:
            logger.warning(
                "the process that shows the run ended with code %s", self._process.returncode
            )
        self._waiting.put(None)
        self._process.terminate()
        try:
            self._process.wait(ENDS_IN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(ENDS_IN_S)

    def _pass_on(self, to: IO[bytes], document: Mapping[str, Any]) -> None:
        # An error here means that the process has ended; its log says why.
        with contextlib.suppress(OSError, ValueError), to:
            pickle.dump(document, to, protocol=5)
            to.flush()
            while (piece := self._waiting.get()) is not None:
                pickle.dump(piece, to, protocol=5)
                to.flush()
                if isinstance(piece, Piece):
                    with self._lock:
                        self._n_bytes -= piece.data.nbytes


def some_pulses(records: Array) -> tuple[Array, dict[int, int]]:
    """Return the first records of the first PULSES pulses of each channel, and their number."""
    is_first = records["record_i"] == 0
    channels, counts = np.unique(records["channel"][is_first], return_counts=True)
    n_pulses = dict(zip(channels.tolist(), counts.tolist(), strict=True))
    places = np.flatnonzero(is_first)
    channel = records["channel"][places]
    chosen = [places[channel == one][:PULSES] for one in n_pulses]
    return records[np.sort(np.concatenate([np.zeros(0, np.int64), *chosen]))], n_pulses


def pieces(source: IO[bytes]) -> tuple[Mapping[str, Any], Iterator[Piece | Pause]]:
    """Return a run's document as sent by a feed, and its data and pauses until the feed ends."""
    document: Mapping[str, Any] = pickle.load(source)

    def each() -> Iterator[Piece | Pause]:
        while True:
            try:
                yield pickle.load(source)
            except EOFError:
                return

    return document, each()
