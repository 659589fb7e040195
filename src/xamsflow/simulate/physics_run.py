"""A run with physics: from signals to digitizer records, some milliseconds at a time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.boards import Input, boards
from xamsflow.simulate.records import MEAN_BASELINE, record_dtype
from xamsflow.simulate.sensors import Role, Sensor, sensors
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.signals import Photoelectrons, SignalSource, signal_dtype
from xamsflow.simulate.waveforms import ChannelElectronics, DigitizedPulses, digitize
from xamsflow.simulate.xenon import Physics

Array = NDArray[Any]

SHORTEST_BATCH = 10_000_000
"""ns; for smaller batches, the overhead exceeds the work."""

PHOTOELECTRONS_AT_ONCE = 1_000_000
"""Maximum mean number per batch, which limits the memory."""


class PhysicsRun:
    """The detector and its digitizers during a run; an object is used for one run only.

    Batches are cut where no channel has a pulse, so each pulse is in one batch and all pulses of a
    batch begin before those of the next.
    """

    def __init__(self, settings: SimulatedRun, physics: Physics) -> None:
        self._settings = settings
        self._physics = physics
        all_boards = boards(settings)
        by_channel = sorted(
            (one for board in all_boards for one in board.inputs), key=lambda one: one.channel
        )
        self._sensors = _connected_to(
            sensors(settings.detector, settings.number, physics), physics.swapped_channels
        )
        self._board = np.array([one.board for one in by_channel])
        self._reader = np.array([one.reader for one in by_channel])
        self._electronics = self._connected(by_channel)
        self._source = SignalSource(settings, physics, self._sensors)
        self._quiet = max(one.quiet * one.sample_width for one in self._electronics)
        self._waiting = Photoelectrons.none()
        self._truth = np.zeros(0, dtype=signal_dtype(len(by_channel)))
        self._first_signal = 0

    def batches(
        self, batch_ns: int, keep_signals: Callable[[Array], None]
    ) -> Iterator[tuple[int, int, Array]]:
        """Yield time, reader and records, in order of time.

        The records of a reader are in order of board, event, channel and fragment; an event is a
        period of activity without a pause. `keep_signals` gets the truth of signals that are over.
        """
        duration = self._settings.duration_ns
        latest = duration - 2 * self._quiet
        batch_ns = self._batch_length(batch_ns)
        rng = np.random.default_rng([self._settings.seed, self._settings.number, 4])
        for number, begin in enumerate(range(0, duration, batch_ns)):
            end = min(begin + batch_ns, duration)
            rows, photoelectrons = self._source.block(number, begin, end, latest)
            self._truth = np.concatenate([self._truth, rows])
            self._waiting = Photoelectrons.joined([self._waiting, photoelectrons])
            settled = self._take_settled(end if end < duration else None)
            pulses = [
                self._digitized(index, settled, rng) for index in range(len(self._electronics))
            ]
            yield from self._read_out(end, pulses)
            keep_signals(self._take_over(end < duration))

    def _connected(self, inputs: list[Input]) -> list[ChannelElectronics]:
        settings, physics = self._settings, self._physics
        of = settings.number if settings.electronics_of is None else settings.electronics_of
        rng = np.random.default_rng([settings.seed, of, 0, 2])
        steps, factors = dict(settings.baseline_steps), dict(settings.gain_factors)
        baseline = rng.uniform(*MEAN_BASELINE, len(inputs))
        deviation = 1 + physics.gain_spread * np.clip(rng.standard_normal(len(inputs)), -1.9, 1.9)
        result = []
        for index, (one, sensor) in enumerate(zip(inputs, self._sensors, strict=True)):
            shape = physics.sipm_pulse if sensor.role is Role.SIPM else physics.pmt_pulse
            result.append(
                ChannelElectronics(
                    channel=one.channel,
                    sample_width=one.sample_width,
                    measures_baseline=one.measures_baseline,
                    baseline=float(baseline[index]) + steps.get(one.channel, 0.0),
                    amplification=(1 if one.positive else -1)
                    * factors.get(one.channel, 1.0)
                    * deviation[index]
                    / sensor.gain,
                    rise=shape[0],
                    fall=shape[1],
                    noise=settings.noise,
                    pulse_length=settings.pulse_length,
                    pre_trigger=settings.pre_trigger,
                    threshold=settings.threshold,
                )
            )
        return result

    def _batch_length(self, batch_ns: int) -> int:
        physics = self._physics
        rate = physics.event_rate * (physics.s1_area[1] + physics.s2_area[1])
        enough = PHOTOELECTRONS_AT_ONCE / max(rate, 1) * 1e9
        return int(max(min(max(batch_ns, SHORTEST_BATCH), enough), 1e5))

    def _take_settled(self, end: int | None) -> Photoelectrons:
        """Return what cannot share a pulse with anything later than `end`; keep the rest."""
        order = np.argsort(self._waiting.time, kind="stable")
        waiting = self._waiting[order]
        if end is None:
            n_settled = len(waiting)
        else:
            # The next block adds only later times, but they may be close to this one.
            until = end - self._source.earliest()
            n_known = int(np.searchsorted(waiting.time, until))
            times = np.append(waiting.time[:n_known], until)
            pauses = np.flatnonzero(np.diff(times) > self._quiet)
            n_settled = int(pauses[-1]) + 1 if len(pauses) else 0
        self._waiting = waiting[n_settled:]
        return waiting[:n_settled]

    def _digitized(
        self, index: int, settled: Photoelectrons, rng: np.random.Generator
    ) -> DigitizedPulses:
        mine = settled[settled.input == index]
        pulses = digitize(self._electronics[index], mine.time, mine.charge, rng)
        recorded = mine[pulses.contain(mine.time)]
        row = recorded.signal - self._first_signal
        counted = self._source.counts(
            self._truth, Photoelectrons(recorded.time, recorded.input, recorded.charge, row)
        )
        np.add.at(self._truth["recorded_area"], row[counted], recorded.charge[counted])
        return pulses

    def _take_over(self, goes_on: bool) -> Array:
        """Return the truth of the first signals that are over, and remove it."""
        n_over = len(self._truth)
        if goes_on and len(self._waiting):
            n_over = int(self._waiting.signal.min()) - self._first_signal
        over, self._truth = self._truth[:n_over], self._truth[n_over:]
        self._first_signal += n_over
        return over

    def _read_out(
        self, end: int, pulses: list[DigitizedPulses]
    ) -> Iterator[tuple[int, int, Array]]:
        channel = np.repeat(np.arange(len(pulses)), [len(one) for one in pulses])
        time = np.concatenate([one.time for one in pulses])
        event = _events(time, np.concatenate([one.end for one in pulses]))
        first = np.cumsum([0, *(len(one) for one in pulses)])
        cut = [one.records(self._settings.record_length) for one in pulses]
        pulse = np.concatenate(
            [number + since for (_, number), since in zip(cut, first, strict=False)]
        )
        none = np.zeros(0, dtype=record_dtype(self._settings.record_length))
        records = np.concatenate([none, *(one for one, _ in cut)])
        # They are sorted by channel, pulse and fragment; within an event, this order is kept.
        order = np.lexsort((event[pulse], self._board[channel[pulse]]))
        reader = self._reader[channel[pulse[order]]]
        for number in range(self._settings.readers):
            if (reader == number).any():
                yield end, number, records[order[reader == number]]


def _connected_to(
    all_sensors: tuple[Sensor, ...], swapped: tuple[int, int] | None
) -> tuple[Sensor, ...]:
    """Return the sensor at each input, two of which may be exchanged."""
    if swapped is None:
        return all_sensors
    by_channel = {sensor.channel: sensor for sensor in all_sensors}
    one, other = swapped
    by_channel[one], by_channel[other] = by_channel[other], by_channel[one]
    return tuple(replace(sensor, channel=channel) for channel, sensor in by_channel.items())


def _events(time: Array, end: Array) -> Array:
    """Return the event of each pulse; pulses that overlap, directly or via others, share one."""
    order = np.argsort(time, kind="stable")
    busy_until = np.maximum.accumulate(end[order])
    begins = np.ones(len(time), dtype=np.int64)
    begins[1:] = time[order][1:] >= busy_until[:-1]
    event = np.empty(len(time), dtype=np.int64)
    event[order] = np.cumsum(begins)
    return event
