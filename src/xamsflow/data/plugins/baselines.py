"""Pulses oriented upwards from their baseline, whatever their polarity.

Samples and baselines of channels with positive pulses are mirrored (MAX_ADC minus the value), so
that strax's functions, including its saturation test, apply to them as well.

There are two measurements of a baseline: the mean of the pulse's first samples, and the digitizer's
measurement, if it makes one. Their errors are independent and of similar size, so the two are
averaged. If a pulse follows another so closely that its first samples are not quiet, only the
digitizer's value is used.

If the digitizer makes no measurement, only samples before the pulse's rise count, however few the
DAQ recorded. If there are fewer than QUIET_SAMPLES, or they are not quiet, the baseline cannot be
right, and the pulse is counted as doubtful.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.base.compiling import compiled
from xamsflow.settings.detector import QUIET_SAMPLES

Array = npt.NDArray[Any]

MAX_ADC = 2**14 - 1
"""The largest sample value of the digitizers, which all have 14 bits."""

TRUNCATED = 0.5
"""ADC counts by which the digitizers' baseline is too low on average because they truncate it."""

SAME_BASELINE = 3.0
"""Maximum difference in ADC counts between the two measurements of a baseline; if it is larger, the
digitizer measured at another time. In XAMSL run 2240 it is 0.5 rms and 2.5 at most."""


@compiled
def starts_are_there(raw: Array) -> Array:
    """Return for each record whether the first record of its pulse is present too.

    The first record may be lost in dead time, and without it a pulse has no baseline. Records are
    sorted by time.
    """
    found = np.zeros(len(raw), np.bool_)
    if not len(raw):
        return found
    n_samples = raw["data"].shape[1]
    start = np.full(raw["channel"].max() + 1, np.iinfo(np.int64).min)
    for i in range(len(raw)):
        record = raw[i]
        channel, fragment = record["channel"], np.int64(record["record_i"])
        if fragment == 0:
            start[channel] = record["time"]
        found[i] = start[channel] == record["time"] - fragment * n_samples * record["dt"]
    return found


def above_baseline(
    raw: Array,
    chosen: Array,
    dtype: Any,
    positive_channels: Sequence[int],
    *,
    baseline_samples: int,
    max_rms: float,
    rise: tuple[float, int],
) -> tuple[Array, Array]:
    """Return raw records as records of `dtype` whose pulses point upwards from their baseline.

    `chosen` are the indices of the records to use, in order of time. A pulse rises `rise[1]`
    samples before its first sample that is `rise[0]` ADC counts above the mean of the earlier ones.
    The function also returns which records are the first of a pulse with a doubtful baseline.
    """
    mirrored = np.isin(raw["channel"][chosen], positive_channels)
    measured = raw["baseline"][chosen]
    mean, rms, subtracted, n_quiet = _of_first_samples(
        raw, chosen, mirrored, baseline_samples, *rise
    )
    baseline = _improved(mean, rms, measured, mirrored, max_rms)
    subtracted += (np.floor(baseline) - np.floor(mean)).astype(np.int64)
    made: Array = np.empty(len(chosen), dtype)
    as_bytes = made.view(np.uint8).reshape(len(made), made.itemsize)
    _subtract(made, as_bytes, raw, chosen, mirrored, subtracted)
    made["baseline"], made["baseline_rms"] = baseline, rms
    is_unsure = (n_quiet < min(QUIET_SAMPLES, baseline_samples)) | (rms > max_rms)
    return made, (made["record_i"] == 0) & (measured == 0) & is_unsure


@compiled
def _of_first_samples(  # noqa: PLR0917 - numba's functions are called by position
    raw: Array, chosen: Array, mirrored: Array, n_samples: int, height: float, before: int
) -> tuple[Array, Array, Array, Array]:
    """Return, for each record's pulse, the mean and rms of its first samples, the value to
    subtract, and the number of these samples.

    With a baseline from the digitizer, all of them are those of strax.baseline.
    """
    mean = np.zeros(len(chosen), np.float32)
    rms = np.zeros(len(chosen), np.float32)
    subtracted = np.zeros(len(chosen), np.int64)
    n_quiet = np.zeros(len(chosen), np.int64)
    last = np.full(raw["channel"].max() + 1 if len(raw) else 0, -1)
    window = np.zeros(min(n_samples, raw["data"].shape[1]), np.int16)
    for i in range(len(chosen)):
        record = raw[chosen[i]]
        first = last[record["channel"]]
        last[record["channel"]] = i
        if record["record_i"]:
            mean[i], rms[i], subtracted[i] = mean[first], rms[first], int(mean[first])
            continue
        window[:] = record["data"][: len(window)]
        if mirrored[i]:
            window[:] = MAX_ADC - window
        n_quiet[i] = min(len(window), record["length"])
        if record["baseline"] == 0:
            n_quiet[i] = _before_rise(window[: n_quiet[i]], height, before)
            quiet = window[: n_quiet[i]]
        else:
            # The baseline of a shorter pulse is the mean of its samples, without the padding.
            if record["length"] < len(window):
                window[record["length"] :] = round(window[: record["length"]].mean())
            quiet = window
        average = quiet.mean()
        mean[i], rms[i], subtracted[i] = average, quiet.std(), int(average)
    return mean, rms, subtracted, n_quiet


@compiled
def _before_rise(samples: Array, height: float, before: int) -> int:
    """Return how many samples are before a pulse's rise, at least 1; pulses point downwards."""
    total = float(samples[0])
    for i in range(1, len(samples)):
        if total / i - samples[i] >= height:
            return max(i - before, 1)
        total += samples[i]
    return len(samples)


def _improved(mean: Array, rms: Array, own: Array, mirrored: Array, max_rms: float) -> Array:
    """Average in the digitizers' baseline `own`, which is 0 for channels without a measurement."""
    measured = own + np.float32(TRUNCATED)
    measured[mirrored] = MAX_ADC - measured[mirrored]
    busy = rms > max_rms
    better = np.where(busy, measured, (mean + measured) / 2)
    is_good = (own > 0) & (busy | (np.abs(measured - mean) <= SAME_BASELINE))
    return np.where(is_good, better, mean)


@compiled
def _subtract(  # noqa: PLR0917 - numba's functions are called by position
    made: Array, as_bytes: Array, raw: Array, chosen: Array, mirrored: Array, subtracted: Array
) -> None:
    """Fill records with headers and samples; samples beyond the pulse are 0."""
    for i in range(len(made)):
        as_bytes[i] = 0  # while the record is in the processor's cache
        record, source = made[i], raw[chosen[i]]
        record["time"] = source["time"]
        record["length"] = source["length"]
        record["dt"] = source["dt"]
        record["channel"] = source["channel"]
        record["pulse_length"] = source["pulse_length"]
        record["record_i"] = source["record_i"]
        sign, level = np.int16(-1), np.int16(subtracted[i])
        if mirrored[i]:
            sign, level = np.int16(1), np.int16(subtracted[i] - MAX_ADC)
        target, samples = record["data"], source["data"]
        for sample in range(source["length"]):
            target[sample] = level + sign * samples[sample]
