"""An LED run: an external trigger reads out all channels at each flash of the LED."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.simulate.boards import Input, boards
from xamsflow.simulate.led_light import LedLight
from xamsflow.simulate.pulses import FIRST_DATA
from xamsflow.simulate.records import BASELINE_SPREAD, MAX_ADC, MEAN_BASELINE, record_dtype
from xamsflow.simulate.sensors import sensors
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.waveforms import ChannelElectronics, DigitizedPulses, sum_of_shapes
from xamsflow.simulate.xenon import Physics

Array = NDArray[Any]


class LedRun:
    """The digitizers during an LED run; an object is used for one run only."""

    def __init__(self, settings: SimulatedRun, light: LedLight) -> None:
        self._settings = settings
        self._light = light
        self._inputs = [
            one
            for board in boards(settings)
            for one in board.inputs
            if one.channel not in light.dead_channels
        ]
        physics = Physics()
        gains = {
            one.channel: one.gain for one in sensors(settings.detector, settings.number, physics)
        }
        self._rng = np.random.default_rng([settings.seed, settings.number, 5])
        led = settings.detector.led
        self._lit = () if led is None else led.channels
        self._electronics = [self._connected(one, gains[one.channel]) for one in self._inputs]

    def batches(self, batch_ns: int) -> Iterator[tuple[int, int, Array]]:
        """Yield time, reader and records, in order of time.

        The records of a reader are in order of board, trigger, channel and fragment.
        """
        settings = self._settings
        pulse_ns = settings.pulse_length * max(one.sample_width for one in self._inputs)
        period = max(round(NS_PER_S / self._light.frequency), pulse_ns)
        trigger = np.arange(FIRST_DATA, settings.duration_ns - pulse_ns, period)
        number = np.arange(len(trigger))
        reader = np.array([one.reader for one in self._inputs])
        for begin in range(0, settings.duration_ns, batch_ns):
            chosen = (trigger >= begin) & (trigger < begin + batch_ns)
            if not chosen.any():
                continue
            end = min(begin + batch_ns, settings.duration_ns)
            for each in np.unique(reader).tolist():
                yield end, each, self._records(each, trigger[chosen], number[chosen])

    def _connected(self, one: Input, gain: float) -> ChannelElectronics:
        settings = self._settings
        rise, fall = Physics().pmt_pulse
        charge = self._light.gain_factor / gain
        return ChannelElectronics(
            channel=one.channel,
            sample_width=one.sample_width,
            measures_baseline=one.measures_baseline,
            baseline=float(self._rng.uniform(*MEAN_BASELINE)),
            amplification=charge if one.positive else -charge,
            rise=rise,
            fall=fall,
            noise=settings.noise,
            pulse_length=settings.pulse_length,
        )

    def _records(self, reader: int, trigger: Array, number: Array) -> Array:
        none = np.zeros(0, dtype=record_dtype(self._settings.record_length))
        records, of_trigger, board = [none], [], []
        for one, electronics in zip(self._inputs, self._electronics, strict=True):
            if one.reader == reader:
                pulses = self._pulses(electronics, trigger, number)
                found, pulse = pulses.records(self._settings.record_length)
                records.append(found)
                of_trigger.append(number[pulse])
                board.append(np.full(len(found), one.board))
        order = np.lexsort((np.concatenate(of_trigger), np.concatenate(board)))
        return np.concatenate(records)[order]

    def _pulses(
        self, electronics: ChannelElectronics, trigger: Array, number: Array
    ) -> DigitizedPulses:
        n, length = len(trigger), electronics.pulse_length
        first = trigger // electronics.sample_width
        signal = np.zeros((n, length), dtype=np.float32)
        if electronics.channel in self._lit:
            signal += self._flashes(electronics, number)
        baseline = electronics.baseline + self._rng.normal(0, BASELINE_SPREAD, n)
        signal += baseline[:, np.newaxis].astype(np.float32)
        signal += electronics.noise * self._rng.standard_normal(signal.shape, dtype=np.float32)
        return DigitizedPulses(
            electronics=electronics,
            time=first * electronics.sample_width,
            length=np.full(n, length),
            baseline=np.floor(baseline).astype(np.int64),
            position=length * np.arange(n),
            samples=np.clip(np.rint(signal), 0, MAX_ADC).astype(np.int16).ravel(),
        )

    def _flashes(self, electronics: ChannelElectronics, number: Array) -> Array:
        """Return the LED's light in each pulse, in ADC counts."""
        light, n, length = self._light, len(number), electronics.pulse_length
        charge, pulse = light.photoelectrons(number, self._rng)
        since = light.arrival(number[pulse], length * electronics.sample_width, self._rng)
        inside = since < length * electronics.sample_width
        charge, pulse, since = charge[inside], pulse[inside], since[inside]
        padded = length + electronics.shape_samples  # what begins in a pulse ends in its row
        sample = (since // electronics.sample_width).astype(np.int64)
        order = np.argsort(pulse * padded + sample, kind="stable")
        total = sum_of_shapes(
            electronics, (pulse * padded + sample)[order], since[order], charge[order], n * padded
        )
        flashes: Array = electronics.amplification * total.reshape(n, padded)[:, :length]
        return flashes
