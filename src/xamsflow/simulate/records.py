"""Records: a pulse's digitized samples, cut into fragments of equal size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.boards import Input
from xamsflow.simulate.pulses import S2_TAIL, Pulses
from xamsflow.simulate.settings import PRE_TRIGGER

Array = NDArray[Any]

MEAN_BASELINE = (8180.0, 8245.0)
BASELINE_SPREAD = 0.77
"""ADC counts rms from pulse to pulse; this value and the means are from XAMSL run 2240."""

MAX_ADC = 2**14 - 1

RISE = 0.75
"""Height of the first sample over threshold; the next sample is the maximum."""
DECAY_TIME = 22.0
"""ns; the large pulses of that run fall to a tenth in about 50 ns."""
S1_DURATION = 250
"""ns after which even the largest pulse is below one count."""


def record_dtype(record_length: int) -> np.dtype[Any]:
    """Return the type of a record with `record_length` samples, as redax writes it.

    Some fields are unsigned in redax but signed in strax; legal values are the same in both.
    """
    return np.dtype(
        [
            ("time", "<i8"),
            ("length", "<i4"),
            ("dt", "<i2"),
            ("channel", "<i2"),
            ("pulse_length", "<i4"),
            ("record_i", "<i2"),
            ("baseline", "<i2"),
            ("data", "<i2", (record_length,)),
        ]
    )


def fragments(pulse_lengths: Array, record_length: int) -> tuple[Array, Array, Array]:
    """Cut pulses into fragments; return the pulse, index and length of each fragment."""
    per_pulse = -(-pulse_lengths // record_length)
    pulse = np.repeat(np.arange(len(pulse_lengths)), per_pulse)
    first = np.cumsum(per_pulse) - per_pulse
    record_i = np.arange(len(pulse)) - first[pulse]
    length = np.minimum(pulse_lengths[pulse] - record_i * record_length, record_length)
    return pulse, record_i, length


class Digitizers:
    """The electronics of the inputs: makes records from pulses, with baseline and white noise.

    `noise` is the rms in ADC counts; `rng` draws the baselines.
    """

    def __init__(
        self, inputs: Sequence[Input], record_length: int, noise: float, rng: np.random.Generator
    ) -> None:
        self._record_length = record_length
        self._noise = noise
        self._dtype = record_dtype(record_length)
        self._channel = np.array([one.channel for one in inputs])
        self._sample_width = np.array([one.sample_width for one in inputs])
        self._sign = np.array([1 if one.positive else -1 for one in inputs], dtype=np.float32)
        self._measures_baseline = np.array([one.measures_baseline for one in inputs])
        self._baseline = rng.uniform(*MEAN_BASELINE, len(inputs))

    def records(self, pulses: Pulses, rng: np.random.Generator) -> Array:
        """Return the records of pulses in the order of the pulses, fragment by fragment."""
        pulse, record_i, length = fragments(pulses.length, self._record_length)
        source = pulses.input[pulse]
        baseline = self._baseline[pulses.input] + rng.normal(0, BASELINE_SPREAD, len(pulses))
        first_sample = record_i * self._record_length
        records = np.zeros(len(pulse), dtype=self._dtype)
        records["time"] = pulses.time[pulse] + first_sample * self._sample_width[source]
        records["length"] = length
        records["dt"] = self._sample_width[source]
        records["channel"] = self._channel[source]
        records["pulse_length"] = pulses.length[pulse]
        records["record_i"] = record_i
        records["baseline"] = np.where(self._measures_baseline[source], baseline[pulse], 0)

        samples = rng.standard_normal((len(pulse), self._record_length), dtype=np.float32)
        samples *= self._noise
        samples += baseline[pulse].astype(np.float32)[:, np.newaxis]
        self._add_signal(samples, pulses, pulse, first_sample)
        np.rint(samples, out=samples)
        np.clip(samples, 0, MAX_ADC, out=samples)
        samples[np.arange(self._record_length) >= length[:, np.newaxis]] = 0
        records["data"] = samples
        return records

    def _add_signal(
        self, samples: Array, pulses: Pulses, pulse: Array, first_sample: Array
    ) -> None:
        """Add each pulse's shape to the samples of its fragments.

        `pulse` and `first_sample` are the pulse and the first sample of each row of `samples`.
        """
        amplitude = (self._sign[pulses.input] * pulses.height).astype(np.float32)
        is_s2 = pulses.s2_width > 0
        start = np.full(len(pulses), PRE_TRIGGER)
        scintillation = [
            (np.where(is_s2, 0, amplitude), start),
            (np.where(pulses.second_at > 0, amplitude / 2, 0), pulses.second_at),
        ]
        decay = (DECAY_TIME / self._sample_width[pulses.input]).astype(np.float32)
        samples_over = S1_DURATION // self._sample_width[pulses.input]
        for height, begin in scintillation:
            since = first_sample - begin[pulse]
            rows = np.flatnonzero(
                (height[pulse] != 0)
                & (since < samples_over[pulse])
                & (since > -self._record_length)
            )
            sample = since[rows, np.newaxis] + np.arange(self._record_length)
            after_maximum = np.maximum(sample - 1, 0)
            shape = np.exp(-after_maximum / decay[pulse[rows], np.newaxis], dtype=np.float32)
            shape[sample == 0] = RISE
            shape[sample < 0] = 0
            samples[rows] += height[pulse[rows], np.newaxis] * shape

        rows = np.flatnonzero(is_s2[pulse])
        width = pulses.s2_width[pulse[rows], np.newaxis].astype(np.float32)
        since = first_sample[rows, np.newaxis] - PRE_TRIGGER - S2_TAIL * width
        sample = since + np.arange(self._record_length)
        samples[rows] += amplitude[pulse[rows], np.newaxis] * np.exp(-0.5 * (sample / width) ** 2)
