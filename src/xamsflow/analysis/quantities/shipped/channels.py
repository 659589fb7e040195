"""Quantities of each channel of the TPC."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.quantities import estimators
from xamsflow.analysis.quantities.definition import NotMeasuredError, quantity
from xamsflow.analysis.quantities.run_data import RunData
from xamsflow.analysis.quantities.shipped.rates import S2
from xamsflow.redax.rundoc import NS_PER_S

Array = npt.NDArray[Any]

SAMPLED_PEAKS = 50_000
"""Peaks read with their areas by channel, from chunks spread over the run."""

AREAS = ("type", "area", "area_per_channel", "saturated_channel")


@quantity(unit="Hz", by_channel=True)
def pulse_rate(run: RunData) -> dict[int, Any]:
    """Pulses per second, with the error from their spread between chunks."""
    counts = _counts(run, "pulse_count")
    length = (np.minimum(counts["endtime"], run.end) - counts["time"]) / NS_PER_S

    counts, length = counts[length > 0], length[length > 0]
    if not len(counts):
        raise NotMeasuredError("the run has no length")

    def one(place: int) -> Any:
        n_pulses = counts["pulse_count"][:, place]
        if not n_pulses.any():
            return estimators.none_in(float(length.sum()))
        return estimators.weighted_mean(n_pulses / length, length)

    return _each(run, one)


@quantity(unit="ADC counts", by_channel=True)
def baseline(run: RunData) -> dict[int, Any]:
    """Mean baseline of the pulses, with the error from its spread between chunks."""
    return _mean_of_pulses(run, "baseline_mean")


@quantity(unit="ADC counts", by_channel=True)
def noise(run: RunData) -> dict[int, Any]:
    """Mean rms of the baselines of pulses, with the error from its spread between chunks."""
    return _mean_of_pulses(run, "baseline_rms_mean")


@quantity(unit="PE", by_channel=True)
def spe_area(run: RunData) -> dict[int, Any]:
    """Median area of lone hits, which are single photoelectrons above the DAQ's threshold.

    It follows the gain: it is in units of the gain in use. A threshold that cuts into the single
    photoelectrons makes it larger than 1, and less sensitive.
    """
    peaks = run.rows("peak_basics", "n_hits", "n_channels", "max_pmt", "max_pmt_area")
    lone = peaks[(peaks["n_hits"] == 1) & (peaks["n_channels"] == 1)]

    def one(place: int) -> Any:
        mine = lone["max_pmt"] == run.channels[place]
        return estimators.median(lone["max_pmt_area"][mine], "lone hits")

    return _each(run, one)


@quantity(by_channel=True)
def saturation(run: RunData) -> dict[int, Any]:
    """Fraction of the S2s for which the channel reaches the limit of its ADC."""
    s2s = _s2s(run)

    def one(place: int) -> Any:
        n_saturated = int((s2s["saturated_channel"][:, place] != 0).sum())
        return estimators.share(n_saturated, len(s2s), "S2s")

    return _each(run, one)


@quantity(by_channel=True)
def light_fraction(run: RunData) -> dict[int, Any]:
    """Share of the light of all S2s that the channel sees."""
    s2s = _s2s(run)
    return _each(
        run,
        lambda place: estimators.ratio_of_sums(
            s2s["area_per_channel"][:, place].astype(float), s2s["area"].astype(float), "S2s"
        ),
    )


def _each(run: RunData, measure: Callable[[int], Any]) -> dict[int, Any]:
    """Return what is measured of each channel, or why it cannot be."""
    found: dict[int, Any] = {}
    for place, channel in enumerate(run.channels):
        try:
            found[channel] = measure(place)
        except NotMeasuredError as error:
            found[channel] = error
    return found


def _counts(run: RunData, *fields: str) -> Array:
    counts = run.rows("pulse_counts", "time", "endtime", *fields)
    if not len(counts):
        raise NotMeasuredError("pulse_counts has no rows")
    return counts


def _mean_of_pulses(run: RunData, field: str) -> dict[int, Any]:
    counts = _counts(run, field, "pulse_count")

    def one(place: int) -> Any:
        n_pulses = counts["pulse_count"][:, place].astype(float)
        return estimators.weighted_mean(counts[field][:, place].astype(float), n_pulses)

    return _each(run, one)


def _s2s(run: RunData) -> Array:
    peaks = run.rows("peaks", *AREAS, at_most=SAMPLED_PEAKS)
    s2s: Array = peaks[(peaks["type"] == S2) & (peaks["area"] > 0)]
    return s2s
