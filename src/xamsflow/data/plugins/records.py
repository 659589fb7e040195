"""Records: pulses above their baseline, reduced to the samples around hits; and pulse counts.

A record keeps the samples within hitlets; all others are 0. Its area is the integral of these
samples, so the areas of records and of peaks have the same sum.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import strax
from immutabledict import immutabledict

from xamsflow.data.plugins import baselines, hits
from xamsflow.data.plugins.settings import SignalsPlugin, options
from xamsflow.settings.detector import Signals

Array = npt.NDArray[Any]


def records(signals: Signals) -> type[strax.Plugin]:
    """Return the plugin that provides ``records`` and ``pulse_counts`` for a group of signals."""
    end = signals.suffix
    names = (f"records{end}", f"pulse_counts{end}")
    settings = (
        ("channels", list(signals.channels), "Channels, in the order of arrays by channel"),
        ("positive_channels", list(signals.positive_channels), "Channels with positive pulses"),
        ("baseline_samples", signals.baseline_samples, "First samples of a pulse: its baseline"),
        ("baseline_max_rms", signals.baseline_max_rms, "Maximum rms of a baseline, ADC counts"),
        ("hit_threshold", signals.hit_threshold, "ADC counts above baseline of a hit"),
        ("hit_extension", list(signals.hit_extension), "Samples kept before and after a hit"),
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
            # Chunks are those of the DAQ: no pulse and no peak crosses a boundary.
            "rechunk_on_save": immutabledict(zip(names, (False, True), strict=True)),
            "takes_config": options(settings, end),
        },
    )


class _Records(SignalsPlugin):
    __version__ = "1.2.0"

    @property
    def hit_thresholds(self) -> int:
        """The threshold of hits, under the name that straxen's mini-analyses know."""
        threshold: int = self.setting("hit_threshold")
        return threshold

    @property
    def save_outside_hits(self) -> tuple[int, int]:
        """The samples kept around hits, under the name that straxen's mini-analyses know."""
        before, after = self.setting("hit_extension")
        return before, after

    def infer_dtype(self) -> dict[str, Any]:
        """Return the type of records, as long as the raw ones."""
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
        """Return a chunk's records, and its counts in one row."""
        (raw,) = inputs.values()
        channels = self.setting("channels")
        is_mine = np.isin(raw["channel"], channels)
        is_whole = baselines.starts_are_there(raw)
        counts: Array = np.zeros(1, self.dtype_for(self.provides[1]))
        counts["time"], counts["endtime"] = start, end
        counts["dropped_records"] = _by_channel(raw["channel"][is_mine & ~is_whole], channels)
        before, after = self.setting("hit_extension")
        made, is_doubtful = baselines.above_baseline(
            raw,
            np.flatnonzero(is_mine & is_whole),
            self.dtype_for(self.provides[0]),
            self.setting("positive_channels"),
            baseline_samples=self.setting("baseline_samples"),
            max_rms=self.setting("baseline_max_rms"),
            rise=(self.setting("hit_threshold"), before),
        )
        counts["doubtful_baselines"] = _by_channel(made["channel"][is_doubtful], channels)
        links = strax.record_links(made)
        found = hits.find_hits(made, self.setting("hit_threshold"), (before, after), links)
        hits.keep_hitlets(made, found, *links)
        made["reduction_level"] = strax.ReductionLevel.HITS_ONLY
        _count(counts, made, found, channels)
        hits.hand_on(found, made)
        return dict(zip(self.provides, (made, counts), strict=True))


def _by_channel(channel: Array, channels: Sequence[int], weights: Array | None = None) -> Array:
    """Return the number of entries by channel, or the sum of their weights."""
    totals = np.bincount(channel, weights, minlength=max(channels) + 1)
    return totals[list(channels)]


def _count(counts: Array, made: Array, found: Array, channels: Sequence[int]) -> None:
    is_first = made["record_i"] == 0
    channel = made["channel"]
    first_channel = channel[is_first]
    n_pulses = _by_channel(first_channel, channels)
    counts["pulse_count"] = n_pulses
    counts["hit_count"] = _by_channel(found["channel"], channels)
    counts["pulse_area"] = _by_channel(channel, channels, made["area"])
    with np.errstate(invalid="ignore"):  # a channel without pulses has no mean baseline
        for name in ("baseline", "baseline_rms"):
            total = _by_channel(first_channel, channels, made[name][is_first])
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
        (
            ("Pulses whose baseline cannot be right", "doubtful_baselines"),
            np.int64,
            by_channel,
        ),
    ]
