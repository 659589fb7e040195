"""The digitizers' response to photoelectrons: waveforms, and self-triggered pulses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.pulses import MIN_GAP
from xamsflow.simulate.records import BASELINE_SPREAD, MAX_ADC, fragments, record_dtype
from xamsflow.simulate.settings import LENGTH_STEP, PRE_TRIGGER, THRESHOLD

Array = NDArray[Any]

POST_TRIGGER = 48
"""Samples recorded after the last one over threshold, as in XAMSL run 2240."""

SAMPLES_OF_OWN_BASELINE = 64
"""Quiet samples from which a digitizer measures its baseline. In that run, it differs from the
baseline of a pulse's first samples by 0.5 counts rms, as expected for this number."""

SHAPE_LENGTH = 10
"""Number of fall times after which a photoelectron's waveform ends; 0.005 % of charge is lost."""

MARGIN = 10
"""Samples before a photoelectron that its shape cannot affect."""

AT_ONCE = 4_000_000
"""Number of samples of photoelectron shapes that are computed at once, to limit memory."""


@dataclass(frozen=True)
class ChannelElectronics:
    """A sensor and its digitizer input.

    `sample_width`, `rise` and `fall` are ns, `amplification` is ADC counts times samples per PE,
    negative for pulses below the baseline, `noise` is ADC counts rms. A pulse has at least
    `pulse_length` samples, `pre_trigger` of them before the one that crosses the `threshold` (ADC
    counts from the baseline).
    """

    channel: int
    sample_width: int
    measures_baseline: bool
    baseline: float
    amplification: float
    rise: float
    fall: float
    noise: float
    pulse_length: int
    pre_trigger: int = PRE_TRIGGER
    threshold: int = THRESHOLD

    @property
    def shape_samples(self) -> int:
        """Samples of a photoelectron's waveform."""
        return int(np.ceil(SHAPE_LENGTH * self.fall / self.sample_width)) + 1

    @property
    def quiet(self) -> int:
        """Samples between photoelectrons that guarantee that they are in different pulses."""
        pulse = self.pulse_length + LENGTH_STEP + self.pre_trigger + POST_TRIGGER + MIN_GAP
        return pulse + self.shape_samples + MARGIN


@dataclass(frozen=True)
class DigitizedPulses:
    """Pulses of one channel; `time` is ns since the run's start, `length` is in samples.

    `position` is the index in `samples` where a pulse's samples begin.
    """

    electronics: ChannelElectronics
    time: Array
    length: Array
    baseline: Array
    position: Array
    samples: Array

    def __len__(self) -> int:
        return len(self.time)

    @property
    def end(self) -> Array:
        """The end of each pulse, ns."""
        ends: Array = self.time + self.length * self.electronics.sample_width
        return ends

    def contain(self, time: Array) -> Array:
        """Return for which photoelectrons the start of the waveform was recorded."""
        before = np.searchsorted(self.time, time, side="right") - 1
        if not len(self):
            return np.zeros(len(time), dtype=bool)
        inside: Array = (before >= 0) & (time < self.end[before])
        return inside

    def records(self, record_length: int) -> tuple[Array, Array]:
        """Return the records, and the pulse of each record."""
        pulse, record_i, length = fragments(self.length, record_length)
        first_sample = record_i * record_length
        records = np.zeros(len(pulse), dtype=record_dtype(record_length))
        records["time"] = self.time[pulse] + first_sample * self.electronics.sample_width
        records["length"] = length
        records["dt"] = self.electronics.sample_width
        records["channel"] = self.electronics.channel
        records["pulse_length"] = self.length[pulse]
        records["record_i"] = record_i
        records["baseline"] = self.baseline[pulse] if self.electronics.measures_baseline else 0
        if len(pulse):
            index = np.arange(record_length) + (self.position[pulse] + first_sample)[:, np.newaxis]
            samples = self.samples[np.minimum(index, len(self.samples) - 1)]
            samples[np.arange(record_length) >= length[:, np.newaxis]] = 0
            records["data"] = samples
        return records, pulse


def digitize(
    electronics: ChannelElectronics, time: Array, charge: Array, rng: np.random.Generator
) -> DigitizedPulses:
    """Return the pulses that photoelectrons of one channel trigger.

    `time` is ns and ascending, `charge` is PE. Noise is added wherever a pulse may be recorded; it
    shifts triggers but does not cause any elsewhere.
    """
    sample = np.floor_divide(time, electronics.sample_width).astype(np.int64)
    is_first = np.ones(len(sample), dtype=bool)
    is_first[1:] = np.diff(sample) > electronics.quiet
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(sample))[: len(first)] - 1
    before = electronics.pre_trigger + MARGIN
    begin = sample[first] - before
    length = sample[last] + electronics.quiet - begin
    offset = np.cumsum(length) - length

    segment = np.cumsum(is_first) - 1
    signal = sum_of_shapes(
        electronics, sample + (offset - begin)[segment], time, charge, int(length.sum())
    )
    baseline = electronics.baseline + rng.normal(0, BASELINE_SPREAD, len(first))
    signal *= electronics.amplification
    signal += np.repeat(baseline.astype(np.float32), length)
    signal += electronics.noise * rng.standard_normal(len(signal), dtype=np.float32)
    samples = np.clip(np.rint(signal), 0, MAX_ADC).astype(np.int16)

    own_baseline = np.floor(baseline).astype(np.int64)
    height = (samples - np.repeat(own_baseline, length)) * np.sign(electronics.amplification)
    over = np.flatnonzero(height > electronics.threshold)
    over_segment = np.searchsorted(offset, over, side="right") - 1
    # Otherwise, noise alone could open a pulse that extends beyond the simulated samples.
    has_signal = (
        over < (offset + length - electronics.quiet)[over_segment] + electronics.shape_samples
    )
    over, over_segment = over[has_signal], over_segment[has_signal]
    start, pulse_length = _self_triggered(
        over + (begin - offset)[over_segment], electronics.pulse_length, electronics.pre_trigger
    )
    pulse_segment = np.searchsorted(begin, start, side="right") - 1
    measured = baseline[pulse_segment] + rng.normal(
        0, electronics.noise / SAMPLES_OF_OWN_BASELINE**0.5, len(start)
    )
    return DigitizedPulses(
        electronics=electronics,
        time=start * electronics.sample_width,
        length=pulse_length,
        baseline=np.floor(measured).astype(np.int64),
        position=start + (offset - begin)[pulse_segment],
        samples=samples,
    )


def sum_of_shapes(
    electronics: ChannelElectronics, position: Array, time: Array, charge: Array, n_samples: int
) -> Array:
    """Return the sum of all photoelectron waveforms; the integral of each is its charge.

    `position` is the sample in which each begins. A sample is the mean over its width.
    """
    total = np.zeros(n_samples, dtype=np.float32)
    edges = np.arange(electronics.shape_samples + 1) * electronics.sample_width
    at_once = AT_ONCE // len(edges)
    for begin in range(0, len(position), at_once):
        some = slice(begin, begin + at_once)
        since = edges - np.mod(time[some], electronics.sample_width)[:, np.newaxis]
        shape = np.diff(_integrated_shape(since, electronics.rise, electronics.fall), axis=1)
        shape *= charge[some, np.newaxis]
        lowest = position[some][0]
        index = position[some, np.newaxis] - lowest + np.arange(electronics.shape_samples)
        summed = np.bincount(index.ravel(), shape.ravel())
        total[lowest : lowest + len(summed)] += summed.astype(np.float32)
    return total


def _integrated_shape(time: Array, rise: float, fall: float) -> Array:
    """Return the share of charge collected until `time` (ns), for a double-exponential pulse."""
    time = np.maximum(time, 0)
    left = fall * np.exp(-time / fall) - rise * np.exp(-time / rise)
    share: Array = 1 - left / (fall - rise)
    return share


def _self_triggered(over: Array, pulse_length: int, pre_trigger: int) -> tuple[Array, Array]:
    """Return the first sample and length of pulses, from the ascending samples over threshold.

    A sample over threshold opens a pulse or keeps an open one open. Pulses that would overlap, or
    be closer than the dead time, are joined.
    """
    if not len(over):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    is_first = np.append(True, np.diff(over) > 1)
    is_last = np.append(is_first[1:], True)
    starts: list[int] = []
    ends: list[int] = []
    for first, last in zip(over[is_first].tolist(), over[is_last].tolist(), strict=True):
        start = first - pre_trigger
        reach = last + 1 + POST_TRIGGER
        if not starts or start >= ends[-1] + MIN_GAP:
            starts.append(start)
            ends.append(start)
        if first >= ends[-1]:
            reach = max(reach, start + pulse_length)
        steps = -(-(reach - starts[-1]) // LENGTH_STEP)
        ends[-1] = max(ends[-1], starts[-1] + steps * LENGTH_STEP)
    start_array = np.array(starts)
    return start_array, np.array(ends) - start_array
