"""The area by channel of an event's main and alternative S1 and S2, and their channels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax
from immutabledict import immutabledict

from xamsflow.data.plugins.event_basics import PEAKS_OF_EVENT, copied_fields, copy_fields
from xamsflow.data.plugins.settings import CHUNK_MB, options, top_places
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

COPIED = (
    ("area by channel [PE]", "area_per_channel"),
    ("length of the waveform in samples", "length"),
    ("width of one sample [ns]", "dt"),
)


def event_area_per_channel(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``event_area_per_channel`` and ``event_n_channel``."""

    class EventAreaPerChannel(_EventAreaPerChannel):
        takes_config = options([top_places(tpc.signals)])

    return EventAreaPerChannel


class _EventAreaPerChannel(strax.Plugin):  # type: ignore[misc]
    """All are 0 for a missing peak, as in straxen."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "peaks")
    provides = ("event_area_per_channel", "event_n_channel")
    data_kind = immutabledict(dict.fromkeys(provides, "events"))

    def infer_dtype(self) -> dict[str, list[Any]]:
        """Return the fields; those by channel are as long as the peaks'."""
        of_peaks = self.deps["peaks"].dtype_for("peaks")
        areas = [*strax.time_fields, *copied_fields(COPIED, of_peaks)]
        numbers: list[Any] = [*strax.time_fields]
        for name, words in PEAKS_OF_EVENT.items():
            numbers += [
                ((f"{words}: channels that contribute", f"{name}_n_channels"), np.int16),
                ((f"{words}: those in the top array", f"{name}_top_n_channels"), np.int16),
            ]
        return {"event_area_per_channel": areas, "event_n_channel": numbers}

    def compute(self, events: Array, peaks: Array) -> dict[str, Array]:
        """Return one row per event."""
        areas: Array = np.zeros(len(events), self.dtype["event_area_per_channel"])
        numbers: Array = np.zeros(len(events), self.dtype["event_n_channel"])
        for one in (areas, numbers):
            one["time"], one["endtime"] = events["time"], events["endtime"]
        copy_fields(areas, COPIED, events, peaks)
        for name in PEAKS_OF_EVENT:
            contributes = areas[f"{name}_area_per_channel"] != 0
            numbers[f"{name}_n_channels"] = contributes.sum(axis=1)
            on_top = contributes[:, self.config["top_places"]]
            numbers[f"{name}_top_n_channels"] = on_top.sum(axis=1)
        return {"event_area_per_channel": areas, "event_n_channel": numbers}
