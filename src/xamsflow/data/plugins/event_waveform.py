"""The summed waveforms of an event's main and alternative S1 and S2."""

from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data.plugins.event_basics import copied_fields, copy_fields
from xamsflow.data.plugins.settings import CHUNK_MB
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]

COPIED = (
    ("waveform [PE per sample]", "data"),
    ("length of the waveform in samples", "length"),
    ("width of one sample [ns]", "dt"),
)


def event_waveform(tpc: Tpc) -> type[Any]:  # noqa: ARG001 - plugins are made for a part of a detector
    """Return the plugin that provides ``event_waveform``."""
    return EventWaveform


class EventWaveform(strax.Plugin):  # type: ignore[misc]
    """All are 0 for a missing peak, as in straxen. Stored only if asked for, as peaks have it."""

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = ("event_basics", "peaks")
    provides = "event_waveform"
    data_kind = "events"
    save_when = strax.SaveWhen.EXPLICIT

    def infer_dtype(self) -> list[Any]:
        """Return the fields, with as many samples as the peaks' waveforms."""
        of_peaks = self.deps["peaks"].dtype_for("peaks")
        return [*strax.time_fields, *copied_fields(COPIED, of_peaks)]

    def compute(self, events: Array, peaks: Array) -> Array:
        """Return one row per event."""
        result: Array = np.zeros(len(events), self.dtype)
        result["time"], result["endtime"] = events["time"], events["endtime"]
        copy_fields(result, COPIED, events, peaks)
        return result
