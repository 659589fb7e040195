"""What is known about a run so far, in little memory however long the run is."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.live.feed import RAW, RECORDS, Piece
from xamsflow.data.stored import endtime
from xamsflow.redax.rundoc import Run
from xamsflow.settings.detector import Detector
from xamsflow.state import layout
from xamsflow.views.overview import contents as overview
from xamsflow.views.overview.contents import KINDS, Channel, Contents, Rate

Array = npt.NDArray[Any]

RECENT = 12
"""Newest chunks, about a minute, from which rates, baselines and noise of channels are taken."""

TIME_BINS = 240
"""Chunks of a longer run are shown together, so that there are at most twice as many bins."""

LARGE = 0.9
"""Share of events with a smaller S2 than a large event ..."""

COMPARED = 1000
"""... of the newest so many."""

KEPT_PEAKS = 3
"""Newest chunks whose peaks and records are kept, because strax makes events later than these."""


@dataclass(frozen=True)
class Event:
    """A complete event, with its peaks and records; there may be no records."""

    row: Any
    peaks: Array
    records: Array


class _Counts:
    """A rate over time: counts by bin, of chunks or of several chunks each."""

    def __init__(self) -> None:
        self._edges: list[int] = []
        self._counts: list[int] = []

    def add(self, start: int, end: int, count: int) -> None:
        if not self._edges:
            self._edges = [start]
        elif start > self._edges[-1]:  # chunks were left out
            self._edges.append(start)
            self._counts.append(0)
        self._edges.append(end)
        self._counts.append(count)
        if len(self._counts) >= 2 * TIME_BINS:
            self._counts = [sum(self._counts[i : i + 2]) for i in range(0, len(self._counts), 2)]
            self._edges = [*self._edges[:-1:2], self._edges[-1]]

    def rate(self, seconds: Callable[[Array], Array]) -> Rate:
        edges = seconds(np.array(self._edges))
        return Rate(edges, np.array(self._counts) / np.maximum(np.diff(edges), 1e-9))


class SoFar:
    """What is known about a run so far; :meth:`add` takes chunks in the order they are made.

    `until` is the end of the newest data, ns since the epoch; `n_chunks` counts chunks of raw
    records, and `n_left_out` chunks of any data type that are missing here.
    """

    def __init__(self, run: Run, detector: Detector) -> None:
        self.until = run.start
        self.n_chunks = 0
        self.n_left_out = 0
        self.event: Event | None = None
        self._detector = detector
        self._positive = overview.positive_channels(detector)
        self._contents = Contents(
            run_id=layout.run_id(run.number),
            mode=run.mode,
            detector=detector.name,
            start=run.start,
            end=run.start,
            verdict=overview.BEING_TAKEN,
            is_processed=False,
        )
        self._rates: dict[str, _Counts] = {}
        self._pulses: dict[str, deque[Piece]] = {}
        self._peaks: deque[Array] = deque(maxlen=KEPT_PEAKS)
        self._records: deque[Array] = deque(maxlen=KEPT_PEAKS)
        self._s2_areas: deque[float] = deque(maxlen=COMPARED)

    def add(self, piece: Piece) -> None:
        """Add a chunk of a data type."""
        name, found = piece.data_type, self._contents
        self.n_left_out += piece.n_left_out
        self.until = max(self.until, piece.end)
        found.stored[name] = found.stored.get(name, 0) + len(piece.data)
        if name.startswith(RAW):
            self._add_pulses(name.removeprefix(RAW), piece)
        elif name == "peak_basics":
            found.area_width = found.area_width or overview.no_peaks()
            overview.add_peaks(found, piece.data)
            for value, kind in enumerate(KINDS):
                self._count(kind, piece, int((piece.data["type"] == value).sum()))
        elif name == "peaks":
            self._peaks.append(piece.data)
        elif name == RECORDS:
            self._records.append(piece.data)
        elif name == "events":
            self._count("events", piece, len(piece.data))
        elif name == "event_basics":
            overview.add_drifts(found, piece.data, self._detector)
            self._choose_event(overview.complete(piece.data))

    def contents(self, odd: tuple[str, ...]) -> Contents:
        """Return the contents of the run's picture."""
        found = replace(self._contents, end=self.until, findings=odd)
        found.rates = {name: one.rate(found.seconds) for name, one in self._rates.items()}
        found.channels = self._channels()
        found.sampled = f"newest {min(self.n_chunks, RECENT)} of {self.n_chunks} chunks"
        if self.n_left_out:
            found.missing = [f"{self.n_left_out} chunks are not shown: the machine is busy"]
        if self.event is not None:
            found.waveforms = overview.event_waveforms(self.event.row, self.event.peaks)
        return found

    def _count(self, name: str, piece: Piece, count: int) -> None:
        self._rates.setdefault(name, _Counts()).add(piece.start, piece.end, count)

    def _add_pulses(self, digitizer: str, piece: Piece) -> None:
        names = [one.name for one in self._detector.digitizers]
        if digitizer not in names:  # the DAQ's dead time
            return
        found = self._contents
        n_pulses = sum(piece.n_pulses.values())
        known = found.stored[piece.data_type] - len(piece.data)
        found.stored[piece.data_type] = known + n_pulses
        self._pulses.setdefault(digitizer, deque(maxlen=RECENT)).append(piece)
        self._count(f"records {digitizer}", piece, n_pulses)
        if digitizer == names[0]:
            self.n_chunks += 1

    def _channels(self) -> dict[int, Channel]:
        channels = overview.channels_of(self._detector, self._pulses)
        for digitizer, recent in self._pulses.items():
            live_time = sum(piece.end - piece.start for piece in recent) / 1e9
            mine = {number: one for number, one in channels.items() if one.digitizer == digitizer}
            records = np.concatenate([piece.data for piece in recent])
            for number, channel in mine.items():
                channel.live_time = live_time
                channel.n_pulses = sum(piece.n_pulses.get(number, 0) for piece in recent)
                pulses = records[records["channel"] == number]
                if len(pulses):
                    overview.add_waveforms(channel, pulses, is_positive=number in self._positive)
        return channels

    def _choose_event(self, events: Array) -> None:
        """Choose the newest large event."""
        self._s2_areas.extend(events["s2_area"].tolist())
        if not len(events):
            return
        large = events[events["s2_area"] >= np.quantile(self._s2_areas, LARGE)]
        if not len(large) or not self._peaks:
            return
        chosen = large[-1]
        first, last = int(chosen["time"]), int(chosen["endtime"])
        peaks = np.concatenate(self._peaks)
        inside = peaks[(peaks["time"] >= first) & (endtime(peaks) <= last)]
        if not len(inside):
            return
        records = np.concatenate(self._records) if self._records else np.zeros(0, peaks.dtype)
        touching = records[(records["time"] < last) & (endtime(records) > first)]
        self.event = Event(chosen.copy(), inside, touching)
