"""Records: pulses above their baseline, reduced to what is around hits, and counts by channel.

Pulses point upwards whatever their polarity: samples and baseline of a channel with positive pulses
are mirrored (MAX_ADC minus the value), so that strax's functions, its test for saturation included,
hold for them too.

A baseline is known from two sides: the mean of the pulse's first samples, and what the digitizer
measured before, if it does that. Their errors are independent and about as large, so their mean is
taken; where a pulse follows so closely on another that its first samples are not quiet, the
digitizer's alone.

A record keeps the samples within hitlets; all others are 0. Its area is the integral of what it
keeps, so that areas of records and peaks add up to the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import strax
from immutabledict import immutabledict

from xamsflow.detector import Signals
from xamsflow.plugins import hits
from xamsflow.plugins.settings import SignalsPlugin, options, suffix

Array = npt.NDArray[Any]

MAX_ADC = 2**14 - 1
"""The largest sample of the digitizers, which all have 14 bits."""

TRUNCATED = 0.5
"""ADC counts that the digitizers' own baseline is too low on average: they cut the fraction off."""

SAME_BASELINE = 3.0
"""ADC counts by which two measurements of a baseline may differ; more and the digitizer's is of
another time. In XAMSL run 2240 they differ by 0.5 rms, 2.5 at most."""


def records(signals: Signals) -> type[strax.Plugin]:
    """Return the plugin that provides ``records`` and ``pulse_counts`` of a group of signals."""
    end = suffix(signals.name)
    names = (f"records{end}", f"pulse_counts{end}")
    settings = (
        ("channels", list(signals.channels), "Channels, in the order of arrays by channel"),
        ("positive_channels", list(signals.positive_channels), "Channels with positive pulses"),
        ("baseline_samples", signals.baseline_samples, "First samples of a pulse: its baseline"),
        ("baseline_max_rms", signals.baseline_max_rms, "ADC counts of a baseline that is trusted"),
        ("hit_threshold", signals.hit_threshold, "ADC counts above baseline of a hit"),
        ("hit_extension", list(signals.hit_extension), "Samples kept before and behind a hit"),
    )
    return type(
        f"Records{signals.name.capitalize()}",
        (_Records,),
        {
            "__doc__": f"Records and pulse counts of the channels of {signals.name}.",
            "end": end,
            "depends_on": f"raw_records_{signals.digitizer}",
            "provides": names,
            "data_kind": immutabledict(zip(names, names, strict=True)),
            # Chunks of records are those of the DAQ: no pulse and no peak lies across a border.
            "rechunk_on_save": immutabledict(zip(names, (False, True), strict=True)),
            "takes_config": options(settings, end),
        },
    )


class _Records(SignalsPlugin):
    __version__ = "1.1.0"

    def infer_dtype(self) -> dict[str, Any]:
        """Return records as long as the raw ones."""
        (raw,) = self.depends_on
        n_samples = strax.record_length_from_dtype(self.deps[raw].dtype_for(raw))
        return dict(
            zip(
                self.provides,
                (strax.record_dtype(n_samples), _pulse_counts_dtype(len(self.setting("channels")))),
                strict=True,
            )
        )

    def compute(self, start: int, end: int, **inputs: Array) -> dict[str, Array]:
        """Return the chunk's records, and its counts in one row."""
        (raw,) = inputs.values()
        channels = self.setting("channels")
        mine = raw[np.isin(raw["channel"], channels)]
        whole = starts_are_there(mine)
        counts: Array = np.zeros(1, self.dtype_for(self.provides[1]))
        counts["time"], counts["endtime"] = start, end
        counts["dropped_records"] = _by_channel(mine["channel"][~whole], channels)
        made = above_baseline(
            mine[whole],
            self.dtype_for(self.provides[0]),
            self.setting("positive_channels"),
            self.setting("baseline_samples"),
            self.setting("baseline_max_rms"),
        )
        links = strax.record_links(made)
        before, behind = self.setting("hit_extension")
        found = hits.find_hits(made, self.setting("hit_threshold"), (before, behind), links)
        hits.keep_hitlets(made, found, *links)
        made["reduction_level"] = strax.ReductionLevel.HITS_ONLY
        _count(counts, made, found, channels)
        return dict(zip(self.provides, (made, counts), strict=True))


def above_baseline(
    raw: Array,
    dtype: Any,
    positive_channels: Sequence[int],
    baseline_samples: int,
    baseline_max_rms: float,
) -> Array:
    """Return raw records as records of `dtype` whose pulses point upwards from their baseline."""
    made: Array = np.zeros(len(raw), dtype)
    for name in raw.dtype.names or ():
        made[name] = raw[name]
    n_samples = made["data"].shape[1]
    mirrored = np.isin(made["channel"], positive_channels)
    made["data"][mirrored] = MAX_ADC - made["data"][mirrored]
    # The baseline of a pulse that is shorter than the window is its own mean, not that of padding.
    short = np.flatnonzero(made["length"] < min(baseline_samples, n_samples))
    for i in short[made["record_i"][short] == 0]:
        length = made["length"][i]
        made["data"][i, length:] = round(made["data"][i, :length].mean())
    strax.baseline(made, baseline_samples=baseline_samples, flip=True)
    _improve_baseline(made, raw["baseline"], mirrored, baseline_max_rms)
    strax.zero_out_of_bounds(made)
    return made


def _improve_baseline(made: Array, own: Array, mirrored: Array, max_rms: float) -> None:
    """Bring in the digitizers' `own` baseline; it is 0 where they measure none."""
    mean = made["baseline"]
    measured = own + np.float32(TRUNCATED)
    measured[mirrored] = MAX_ADC - measured[mirrored]
    busy = made["baseline_rms"] > max_rms
    better = np.where(busy, measured, (mean + measured) / 2)
    better = np.where((own > 0) & (busy | (np.abs(measured - mean) <= SAME_BASELINE)), better, mean)
    shift = (np.floor(better) - np.floor(mean)).astype(np.int16)
    (changed,) = np.nonzero(shift)
    made["data"][changed] += shift[changed, np.newaxis]
    made["baseline"] = better


def starts_are_there(raw: Array) -> npt.NDArray[np.bool_]:
    """Tell for each record whether the first record of its pulse is there too.

    It may have been lost in dead time; without it a pulse has no baseline.
    """
    if not len(raw):
        return np.zeros(0, np.bool_)
    order = np.lexsort((raw["time"], raw["channel"]))
    channel, time = raw["channel"][order], raw["time"][order]
    fragment = raw["record_i"][order].astype(np.int64)
    n_samples = raw["data"].shape[1]
    pulse_time = time - fragment * n_samples * raw["dt"][order]
    start = np.maximum.accumulate(np.where(fragment == 0, np.arange(len(raw)), -1))
    found = np.zeros(len(raw), np.bool_)
    found[order] = (start >= 0) & (channel[start] == channel) & (time[start] == pulse_time)
    return found


def _by_channel(channel: Array, channels: Sequence[int], weights: Array | None = None) -> Array:
    """Return the number of entries by channel, or the sum of their weights."""
    totals = np.bincount(channel, weights, minlength=max(channels) + 1)
    return totals[list(channels)]


def _count(counts: Array, made: Array, found: Array, channels: Sequence[int]) -> None:
    first = made[made["record_i"] == 0]
    n_pulses = _by_channel(first["channel"], channels)
    counts["pulse_count"] = n_pulses
    counts["hit_count"] = _by_channel(found["channel"], channels)
    counts["pulse_area"] = _by_channel(made["channel"], channels, made["area"])
    with np.errstate(invalid="ignore"):  # a channel without pulses has no baseline
        for name in ("baseline", "baseline_rms"):
            total = _by_channel(first["channel"], channels, first[name])
            counts[f"{name}_mean"] = total / n_pulses


def _pulse_counts_dtype(n_channels: int) -> list[Any]:
    by_channel = (n_channels,)
    return [
        *strax.time_fields,
        (("Pulses", "pulse_count"), np.int64, by_channel),
        (("Hits", "hit_count"), np.int64, by_channel),
        (("Area of samples around hits [ADC x samples]", "pulse_area"), np.float64, by_channel),
        (("Mean baseline of pulses [ADC], NaN without", "baseline_mean"), np.float32, by_channel),
        (
            ("Mean rms of pulses' baselines [ADC], NaN without", "baseline_rms_mean"),
            np.float32,
            by_channel,
        ),
        (
            ("Records left out, the start of their pulse is lost", "dropped_records"),
            np.int64,
            by_channel,
        ),
    ]
