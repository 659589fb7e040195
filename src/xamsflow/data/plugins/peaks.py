"""Peaks: hits of all channels that are close in time, with their summed waveform. Peak basics.

A peak begins and ends with its hitlets, so it does not extend beyond the recorded samples. The DAQ
data are cut into chunks in pauses of at least 1000 ns, and a peak ends after ``max_gap`` without
hitlets, which is 1000 ns at most. Therefore no peak crosses a chunk boundary.

A waveform of more than N_SAMPLES samples is stored in fewer, wider ones; the peak is extended so
that the last of them is complete. If the next peak or the end of the chunk leaves no room for this,
strax omits the incomplete sample and the peak ends early by that much; its area is still that of
the whole peak.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins import hits, splitting, waveforms
from xamsflow.data.plugins.peak_classification import LIMITS, classify
from xamsflow.data.plugins.settings import Setting, SignalsPlugin, options
from xamsflow.settings import corrections
from xamsflow.settings.detector import Classification, Signals

Array = npt.NDArray[Any]

N_SAMPLES = 200
"""Samples of a stored waveform."""

MAX_DURATION = 10_000_000
"""ns after which a peak ends in any case, to limit the size of waveforms in memory."""

UNKNOWN_GAP = -1
"""Longest gap of a peak that was split."""

HALF, NINE_TENTHS = 5, 9
"""Indices in ``width`` of the central 50 % and 90 % of the area."""


def peaks(signals: Signals) -> type[Any]:
    """Return the plugin that provides ``peaks`` for a group of signals."""
    end = signals.suffix
    settings: tuple[Setting, ...] = (
        ("channels", list(signals.channels), "Channels, in the order of arrays by channel"),
        ("top_channels", list(signals.top), "Channels of the top array"),
        ("gains", signals.gains, "PE per ADC count x sample by channel"),
        ("hit_threshold", signals.hit_threshold, "ADC counts above baseline of a hit"),
        ("hit_extension", list(signals.hit_extension), "Samples kept before and after a hit"),
        ("peak_max_gap", signals.max_gap, "ns without hitlets after which a peak ends"),
        ("peak_min_area", signals.min_area, "PE of the smallest peak"),
        ("peak_min_channels", signals.min_channels, "Minimum number of contributing channels"),
        ("split_min_height", signals.split_min_height, "Minimum depth of a split, PE per sample"),
        ("split_min_ratio", signals.split_min_ratio, "Minimum depth of a split, as a ratio"),
        ("coincidence", list(signals.coincidence), "ns around the maximum for tight_coincidence"),
    )
    if signals.classification is not None:
        limits = asdict(signals.classification)
        settings += tuple((name, limit, LIMITS[name]) for name, limit in limits.items())
    return type(
        f"Peaks{signals.name.capitalize()}",
        (_Peaks,),
        {
            "__doc__": f"Peaks of the channels of {signals.name}.",
            "end": end,
            "depends_on": f"records{end}",
            "provides": f"peaks{end}",
            "data_kind": f"peaks{end}",
            "has_types": signals.classification is not None,
            # Chunks of records are passed on as they are: joining them copies each peak many times.
            "rechunk_on_save": False,
            "takes_config": options(settings, end),
        },
    )


class _Peaks(SignalsPlugin):
    __version__ = "1.0.1"
    has_types = False

    def infer_dtype(self) -> Any:
        """Return strax's fields; arrays by channel have one entry per channel of the group."""
        return _dtype(len(self.setting("channels")), self.has_types)

    def setup(self) -> None:
        """Look up the gains for the run."""
        channels = self.setting("channels")
        self.gains = np.array(
            corrections.of_option(self.setting("gains"), int(self.run_id)), np.float32
        )
        self.place = np.zeros(max(channels) + 1, np.int16)
        self.place[channels] = np.arange(len(channels))
        self.is_top = np.isin(channels, self.setting("top_channels"))

    def compute(self, start: int, end: int, **inputs: Array) -> Array:  # noqa: ARG002 - both or none
        """Return the peaks of a chunk."""
        (records,) = inputs.values()
        dtype = self.dtype_for(self.provides[0])
        if not len(records):
            return np.zeros(0, dtype)
        links = strax.record_links(records)
        found = hits.take_over(records)
        if found is None:
            before, after = self.setting("hit_extension")
            found = hits.find_hits(records, self.setting("hit_threshold"), (before, after), links)
        found["channel"] = self.place[found["channel"]]
        hitlets = hits.hitlets_of(found)

        def sum_up(peaks: Array, starts: Array) -> None:
            _complete_last_sample(peaks, np.append(starts, end))
            waveforms.sum_waveforms(peaks, hitlets, records, links, self.gains)
            strax.compute_properties(peaks)

        result = strax.find_peaks(
            hitlets,
            self.gains,
            gap_threshold=self.setting("peak_max_gap"),
            left_extension=0,
            right_extension=0,
            min_area=self.setting("peak_min_area"),
            min_channels=self.setting("peak_min_channels"),
            max_duration=MAX_DURATION,
            result_dtype=dtype,
        )
        ends = _apart(result)
        sum_up(result, result["time"])
        result, ends = self._split(result, ends, int(records["dt"][0]), sum_up)
        self._set_area_fraction(result)
        before, after = self.setting("coincidence")
        waveforms.count_hits(result, ends, hitlets, (before, after))
        if self.has_types:
            limits = Classification(**{name: self.setting(name) for name in LIMITS})
            result["type"] = classify(result["area"], result["width"][:, HALF], limits)
        return result

    def _split(
        self, peaks: Array, ends: Array, dt: int, sum_up: Callable[[Array, Array], None]
    ) -> tuple[Array, Array]:
        cut = splitting.cuts(
            peaks["data"],
            peaks["length"],
            float(self.setting("split_min_height")),
            float(self.setting("split_min_ratio")),
        )
        peak, sample = np.nonzero(cut)
        if not len(peak):
            return peaks, ends
        is_whole = ~cut.any(axis=1)
        cut_time = peaks["time"][peak] + sample * peaks["dt"][peak].astype(np.int64)
        time = np.sort(np.concatenate([peaks["time"][~is_whole], cut_time]))
        end = ends[~is_whole][np.searchsorted(peaks["time"][~is_whole], time, "right") - 1]
        end[:-1] = np.minimum(end[:-1], time[1:])
        parts: Array = np.zeros(len(time), peaks.dtype)
        parts["time"] = time
        parts["dt"] = dt
        parts["length"] = (end - time) // dt
        parts["channel"] = strax.DIGITAL_SUM_WAVEFORM_CHANNEL
        parts["max_gap"] = UNKNOWN_GAP
        sum_up(parts, np.sort(np.concatenate([peaks["time"][is_whole], time])))
        peaks = np.concatenate([peaks[is_whole], parts])
        ends = np.concatenate([ends[is_whole], end])
        order = np.argsort(peaks["time"], kind="stable")
        return peaks[order], ends[order]

    def _set_area_fraction(self, peaks: Array) -> None:
        if not self.is_top.any() or self.is_top.all():
            peaks["area_fraction_top"] = np.nan
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            fraction = peaks["area_per_channel"][:, self.is_top].sum(axis=1) / peaks["area"]
        peaks["area_fraction_top"] = np.where(peaks["area"] > 0, fraction, np.nan)


def _dtype(n_channels: int, has_types: bool) -> list[Any]:
    """Return the meaningful fields of strax's peaks; arrays of a single channel stay arrays."""
    left_out = ["max_goodness_of_split", "data_top", "data_start"]
    left_out += [] if has_types else ["type"]
    by_channel = ("area_per_channel", "saturated_channel")
    fields = strax.peak_dtype(n_channels=2, n_sum_wv_samples=N_SAMPLES, hits_timing=False)
    return [
        (field[0], field[1], (n_channels,)) if field[0][1] in by_channel else field
        for field in fields
        if field[0][1] not in left_out
    ]


def _apart(peaks: Array) -> Array:
    """Shorten peaks that overlap the next one; return the end times of all peaks."""
    ends: Array = strax.endtime(peaks)
    ends[:-1] = np.minimum(ends[:-1], peaks["time"][1:])
    peaks["length"] = (ends - peaks["time"]) // peaks["dt"]
    return ends


def _complete_last_sample(peaks: Array, limits: Array) -> None:
    """Lengthen peaks to a whole number of stored samples.

    No peak is extended beyond the next of `limits`, which are sorted.
    """
    length = peaks["length"]
    factor = -(-length // N_SAMPLES)
    complete = -(-length // factor) * factor
    limit = limits[np.searchsorted(limits, peaks["time"], "right")]
    fits = peaks["time"] + complete * peaks["dt"].astype(np.int64) <= limit
    peaks["length"] = np.where(fits, complete, length)


def _n_channels(peaks: Array) -> Array:
    n_channels: Array = (peaks["area_per_channel"] != 0).sum(axis=1)
    return n_channels


PEAK_BASICS = (
    *strax.time_fields,
    (("Weighted average center time of the peak [ns]", "center_time"), np.int64),
    (("Median time of the area since the start of the peak [ns]", "median_time"), np.float32),
    (("Peak integral [PE]", "area"), np.float32),
    (("Number of hits in the peak", "n_hits"), np.int32),
    (("Number of channels that contribute", "n_channels"), np.int16),
    (("Channels whose maximum is close to the peak's", "tight_coincidence"), np.int16),
    (("Channel that contributes most", "max_pmt"), np.int16),
    (("Area of the channel that contributes most [PE]", "max_pmt_area"), np.float32),
    (("Number of channels that reach the ADC's limit", "n_saturated_channels"), np.int16),
    (("Width of the central 50% of the area [ns]", "range_50p_area"), np.float32),
    (("Width of the central 90% of the area [ns]", "range_90p_area"), np.float32),
    (("Time between 10% and 50% of the area [ns]", "rise_time"), np.float32),
    (("Fraction of area seen by the top array, NaN without", "area_fraction_top"), np.float32),
    (("Length of the peak in samples of the waveform", "length"), np.int32),
    (("Width of one sample of the waveform [ns]", "dt"), np.int32),
)

TYPE = (("Type of the peak, 0: unknown, 1: S1, 2: S2", "type"), np.int8)

COPIED = (
    "time",
    "center_time",
    "median_time",
    "area",
    "n_hits",
    "tight_coincidence",
    "n_saturated_channels",
    "area_fraction_top",
    "length",
    "dt",
)
"""Fields that are those of ``peaks``."""


def peak_basics(signals: Signals) -> type[Any]:
    """Return the plugin that provides ``peak_basics`` for a group of signals."""
    end = signals.suffix
    has_types = signals.classification is not None
    settings = (
        ("channels", list(signals.channels), "Channels, in the order of arrays by channel"),
    )
    return type(
        f"PeakBasics{signals.name.capitalize()}",
        (_PeakBasics,),
        {
            "__doc__": f"Peaks of the channels of {signals.name}, without arrays.",
            "end": end,
            "depends_on": f"peaks{end}",
            "provides": f"peak_basics{end}",
            "data_kind": f"peaks{end}",
            "dtype": (*PEAK_BASICS, TYPE) if has_types else PEAK_BASICS,
            "copied": (*COPIED, "type") if has_types else COPIED,
            "takes_config": options(settings, end),
        },
    )


class _PeakBasics(SignalsPlugin):
    __version__ = "1.0.0"
    copied = COPIED

    def compute(self, **inputs: Array) -> Array:
        """Return one row per peak."""
        (peaks,) = inputs.values()
        result: Array = np.zeros(len(peaks), self.dtype)
        for name in self.copied:
            result[name] = peaks[name]
        result["endtime"] = strax.endtime(peaks)
        result["n_channels"] = _n_channels(peaks)
        largest = np.argmax(peaks["area_per_channel"], axis=1)
        result["max_pmt"] = np.asarray(self.setting("channels"))[largest]
        result["max_pmt_area"] = peaks["area_per_channel"].max(axis=1, initial=0)
        result["range_50p_area"] = peaks["width"][:, HALF]
        result["range_90p_area"] = peaks["width"][:, NINE_TENTHS]
        result["rise_time"] = -peaks["area_decile_from_midpoint"][:, 1]
        return result
