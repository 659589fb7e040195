"""LED calibration: the light of an LED in each pulse of a dedicated run."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins import baselines
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Led

Array = npt.NDArray[Any]


def records_led(led: Led) -> type[Any]:
    """Return the plugin that provides ``records_led``."""
    settings = (
        ("led_channels", list(led.channels), "Channels that see the LED"),
        ("led_positive_channels", list(led.positive_channels), "Channels with positive pulses"),
        ("led_records_per_pulse", led.records_per_pulse, "First records of a pulse that are kept"),
        ("led_baseline", list(led.baseline), "Samples of the baseline: first, end (excluded)"),
    )

    class RecordsLed(_RecordsLed):
        depends_on = f"raw_records_{led.digitizer}"
        takes_config = options(settings)

    return RecordsLed


class _RecordsLed(strax.Plugin):  # type: ignore[misc]
    """One record per pulse: its first samples, oriented upwards from the mean of the baseline."""

    __version__ = "1.0.0"
    provides = "records_led"
    data_kind = "records_led"
    rechunk_on_save = False

    def infer_dtype(self) -> Any:
        """Return the record type, as long as the joined records."""
        (raw,) = self.depends_on
        n_samples = strax.record_length_from_dtype(self.deps[raw].dtype_for(raw))
        return strax.record_dtype(n_samples * self.config["led_records_per_pulse"])

    def compute(self, **inputs: Array) -> Array:
        """Return the joined records of each pulse, by time and channel."""
        (raw,) = inputs.values()
        raw = raw[np.isin(raw["channel"], self.config["led_channels"])]
        raw = raw[baselines.starts_are_there(raw)]
        n_joined = self.config["led_records_per_pulse"]
        raw = raw[raw["record_i"] < n_joined]
        # Fragments of a pulse are consecutive; pulses of a channel do not overlap.
        raw = raw[np.lexsort((raw["time"], raw["channel"]))]
        first = np.flatnonzero(raw["record_i"] == 0)
        n_samples = raw["data"].shape[1]
        result: Array = np.zeros(len(first), self.dtype)
        for name in ("time", "dt", "channel", "pulse_length"):
            result[name] = raw[name][first]
        pulse = np.cumsum(raw["record_i"] == 0) - 1
        joined = np.zeros((len(first), n_joined, n_samples), np.int16)
        joined[pulse, raw["record_i"]] = raw["data"]
        result["length"] = np.bincount(pulse, raw["length"], len(first))
        result["data"] = joined.reshape(result["data"].shape)
        _above_baseline(result, self.config)
        by_time: Array = strax.sort_by_time(result)
        return by_time


def _above_baseline(result: Array, config: Any) -> None:
    sample = np.arange(result["data"].shape[1])
    recorded = sample < result["length"][:, np.newaxis]
    mirrored = np.isin(result["channel"], config["led_positive_channels"])
    result["data"][mirrored] = baselines.MAX_ADC - result["data"][mirrored]
    first, beyond = config["led_baseline"]
    window = np.where(recorded, result["data"], np.nan)[:, first:beyond]
    has_baseline = recorded[:, first]
    for name, of_window in (("baseline", np.nanmean), ("baseline_rms", np.nanstd)):
        result[name] = np.nan
        result[name][has_baseline] = of_window(window[has_baseline], axis=1)
    whole = np.where(has_baseline, np.floor(result["baseline"]), 0).astype(np.int16)
    result["data"] = np.where(recorded, whole[:, np.newaxis] - result["data"], 0)


def led_calibration(led: Led) -> type[Any]:
    """Return the plugin that provides ``led_calibration``."""
    settings = (
        ("led_light", list(led.light), "Samples of the LED's light: first, end (excluded)"),
        ("led_noise", list(led.noise), "Samples without light: first, end (excluded)"),
    )

    class LedCalibration(_LedCalibration):
        takes_config = options(settings)

    return LedCalibration


class _LedCalibration(strax.Plugin):  # type: ignore[misc]
    """Area and amplitude in the LED window and in a window without light."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "records_led"
    provides = "led_calibration"
    data_kind = "records_led"
    dtype = (
        *strax.interval_dtype,
        (("Area in the LED's window [ADC x samples]", "area"), np.float32),
        (("Largest sample in the LED's window [ADC]", "amplitude_led"), np.float32),
        (("Area in the window without light [ADC x samples]", "area_noise"), np.float32),
        (("Largest sample in the window without light [ADC]", "amplitude_noise"), np.float32),
        (("Baseline [ADC]", "baseline"), np.float32),
        (("Rms of the baseline [ADC]", "baseline_rms"), np.float32),
    )

    def compute(self, records_led: Array) -> Array:
        """Return one row per pulse; fields of a window are NaN if the pulse ends before it does."""
        result: Array = np.zeros(len(records_led), self.dtype)
        for name in ("time", "length", "dt", "channel", "baseline", "baseline_rms"):
            result[name] = records_led[name]
        # Only the integer part of the baseline has been subtracted.
        part = records_led["baseline"] % 1
        for window, area, amplitude in (
            ("led_light", "area", "amplitude_led"),
            ("led_noise", "area_noise", "amplitude_noise"),
        ):
            first, beyond = self.config[window]
            samples = records_led["data"][:, first:beyond] + part[:, np.newaxis]
            is_whole = records_led["length"] >= beyond
            result[area] = np.where(is_whole, samples.sum(axis=1), np.nan)
            result[amplitude] = np.nan
            result[amplitude][is_whole] = samples[is_whole].max(axis=1, initial=-np.inf)
        return result
