"""Coincidences: peaks and events of the TPC that another detector sees too.

XAMS measures sodium-22 with a NaI detector beside it, which sees the second of two photons of
511 keV. A chunk ends at a pause that is at least as long as the window, so that no coincidence
crosses it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.event_basics import NO_PEAK, peaks_of
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Coincidences

Array = npt.NDArray[Any]


def peak_coincidences(coincidences: Coincidences) -> type[Any]:
    """Return the plugin that provides ``peak_coincidences``."""
    settings = (
        ("coincidence_window", list(coincidences.window), "ns from start to start of the peaks"),
        ("coincidence_area", list(coincidences.area), "Lowest and highest area of the other peak"),
    )
    other = f"peak_basics{coincidences.signals.suffix}"

    class PeakCoincidences(_PeakCoincidences):
        depends_on = ("peak_basics", other)
        takes_config = options(settings)

    return PeakCoincidences


class _PeakCoincidences(strax.Plugin):  # type: ignore[misc]
    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    provides = "peak_coincidences"
    data_kind = "peaks"
    dtype = (
        *strax.time_fields,
        (("Whether the other detector has a peak at the same time", "is_coinc"), np.bool_),
    )

    def compute(self, peaks: Array, **others: Array) -> Array:
        """Return whether each peak of the TPC has a coincident peak in the other detector."""
        (other,) = others.values()
        smallest, largest = self.config["coincidence_area"]
        times = other["time"][(other["area"] >= smallest) & (other["area"] <= largest)]
        result: Array = np.zeros(len(peaks), self.dtype)
        result["time"], result["endtime"] = peaks["time"], peaks["endtime"]
        earliest, latest = self.config["coincidence_window"]
        result["is_coinc"] = np.searchsorted(times, peaks["time"] + earliest) < np.searchsorted(
            times, peaks["time"] + latest, "right"
        )
        return result


def event_coincidences(coincidences: Coincidences) -> type[Any]:  # noqa: ARG001 - as all plugins
    """Return the plugin that provides ``event_coincidences``."""
    return EventCoincidences


class EventCoincidences(strax.Plugin):  # type: ignore[misc]
    """An event is coincident if its main S1 is."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "peak_coincidences")
    provides = "event_coincidences"
    data_kind = "events"
    dtype = (
        *strax.time_fields,
        (("Whether the other detector has a peak with the main S1", "is_coinc"), np.bool_),
    )

    def compute(self, events: Array, peaks: Array) -> Array:
        """Return one row per event; an event without an S1 has no coincidence."""
        result: Array = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        s1 = peaks_of(events, peaks)["s1"]
        there = s1 != NO_PEAK
        result["is_coinc"][there] = peaks["is_coinc"][s1[there]]
        return result
