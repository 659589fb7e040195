"""Everything stored about one event: its row, its peaks, and the waveforms of its channels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import start
from xamsflow.state import layout

if TYPE_CHECKING:
    import strax

Array = npt.NDArray[Any]

REQUIRED = ("event_basics", "peaks")
"""The data types that must be stored; the others are computed in memory or left out."""


@dataclass(frozen=True)
class Waveform:
    """The samples of a channel: `time` in ns since the start of the event, `light` in PE/ns.

    A sample is `dt` ns wide. NaN separates samples that do not follow each other.
    """

    time: Array
    light: Array
    dt: int


@dataclass(frozen=True)
class Sensors:
    """The channels of the TPC in a run, with the gains (PE per ADC count x sample) in use.

    `positions` and `quadrants` are as in :class:`OneEvent`.
    """

    gains: Mapping[int, float]
    positions: dict[int, tuple[float, float]]
    quadrants: tuple[int, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels, in the order of arrays by channel."""
        return tuple(self.gains)


@dataclass(frozen=True)
class OneEvent:
    """An event of a run.

    `info` is its row of ``event_info``, `peaks` are those that lie entirely within it, as in
    ``peaks``. `waveforms` are those of the TPC's `channels`, and empty if records are not stored.
    `positions` are x and y (mm) of channels, if they are known. `quadrants` are the channels of a
    top array of four in the order of their shares of light, empty otherwise.
    """

    run_id: str
    info: Any
    peaks: Array
    channels: tuple[int, ...]
    waveforms: dict[int, Waveform]
    positions: dict[int, tuple[float, float]]
    quadrants: tuple[int, ...]

    @property
    def number(self) -> int:
        """The number of the event in its run."""
        return int(self.info["event_number"])

    def peak(self, name: str) -> Any:
        """Return the main or alternative S1 or S2 (``s1``, ``alt_s1`` ...), None if missing."""
        index = int(self.info[f"{name}_index"])
        return self.peaks[index] if 0 <= index < len(self.peaks) else None


def count(context: "strax.Context", run_id: str | int) -> int:
    """Return the number of events in a run.

    Raises ConfigurationError if its data are not stored.
    """
    run = _stored(context, run_id)
    return len(context.get_array(run, "event_basics", progress_bar=False))


def _stored(context: "strax.Context", run_id: str | int) -> str:
    """Return the name of a run whose data are stored; raise ConfigurationError if they are not."""
    run = layout.run_id(int(run_id))
    receipt = layout.data_type_receipt(run, REQUIRED[0])
    for name in REQUIRED:
        if not context.is_stored(run, name):
            raise ConfigurationError(
                f"run {run}: {name} is not stored",
                f"create it with `{start.typed('local', receipt)}`",
            )
    return run


def read(context: "strax.Context", run_id: str | int, numbers: Sequence[int]) -> Iterator[OneEvent]:
    """Yield events of a run, by number.

    Raises ConfigurationError if the run has no such event, or if its data are not stored.
    """
    run = _stored(context, run_id)
    infos = context.get_array(run, "event_info", progress_bar=False)
    for number in numbers:
        if not 0 <= number < len(infos):
            raise ConfigurationError(
                f"run {run} has no event {number}",
                f"it has events 0 to {len(infos) - 1}" if len(infos) else "it has no events",
            )
    with_records = context.is_stored(run, "records")
    seen_by = sensors(context, run)
    for info in infos[list(numbers)]:
        time_range = int(info["time"]), int(info["endtime"])
        records = (
            context.get_array(
                run,
                "records",
                time_range=time_range,
                time_selection="touching",
                progress_bar=False,
            )
            if with_records
            else None
        )
        yield OneEvent(
            run_id=run,
            info=info,
            peaks=context.get_array(run, "peaks", time_range=time_range, progress_bar=False),
            channels=seen_by.channels,
            waveforms={} if records is None else waveforms(records, time_range[0], seen_by.gains),
            positions=seen_by.positions,
            quadrants=seen_by.quadrants,
        )


def sensors(context: "strax.Context", run: str) -> Sensors:
    """Return the channels of the TPC in a run; no data of it need to be stored."""
    of_peaks = context.get_single_plugin(run, "peaks")
    places = context.get_single_plugin(run, "peak_positions")
    channels = tuple(of_peaks.config["channels"])
    known = (places.config[f"position_{name}"] for name in ("places", "x", "y"))
    return Sensors(
        gains=dict(zip(channels, of_peaks.gains, strict=True)),
        positions={channels[place]: (x, y) for place, x, y in zip(*known, strict=True)},
        quadrants=tuple(of_peaks.config["top_channels"]) if places.polynomials is not None else (),
    )


def waveforms(records: Array, start: int, gains: Mapping[int, float]) -> dict[int, Waveform]:
    """Return the waveform of each channel from an event's records, which are sorted by time.

    `start` is that of the event, ns since the epoch.
    """
    return {
        channel: _waveform(records[records["channel"] == channel], start, gain)
        for channel, gain in gains.items()
    }


def numbers_of(words: Sequence[str]) -> list[int]:
    """Return the event numbers in words such as ``14`` and ``0-9``, in this order.

    Raises ConfigurationError for anything else.
    """
    found: list[int] = []
    for word in words:
        match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", word, flags=re.ASCII)
        if match is None:
            raise ConfigurationError(
                f"{word!r} is not an event", "give a number such as 14, or a range such as 0-9"
            )
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


def _waveform(records: Array, start: int, gain: float) -> Waveform:
    """Return the waveform of a channel's records, which are sorted by time."""
    if not len(records):
        return Waveform(np.zeros(0), np.zeros(0), 1)
    dt = int(records["dt"][0])
    n_samples = records["data"].shape[1]
    sample = np.arange(n_samples + 1)
    time = (records["time"] - start)[:, np.newaxis] + sample * dt
    light = np.full(time.shape, np.nan)
    # strax subtracts only the integer part of the baseline; samples outside hits are set to 0.
    above = records["data"] + (records["data"] != 0) * (records["baseline"] % 1)[:, np.newaxis]
    light[:, :-1] = above * gain / dt
    light[sample >= records["length"][:, np.newaxis]] = np.nan
    # A fragment that is followed by the next one of its pulse needs no gap.
    is_inner = sample == records["length"][:, np.newaxis]
    continues = np.append(records["time"][1:] == (time[:, -1] + start)[:-1], False)
    keep = (sample < records["length"][:, np.newaxis]) | (is_inner & ~continues[:, np.newaxis])
    return Waveform(time[keep], light[keep], dt)
