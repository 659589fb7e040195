"""Events: the time around a large S2."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

from xamsflow.data import strax_private
from xamsflow.data.plugins.peak_classification import S2
from xamsflow.data.plugins.settings import CHUNK_MB, options
from xamsflow.settings.detector import Tpc

Array = npt.NDArray[Any]


def events(tpc: Tpc) -> type[Any]:
    """Return the plugin that provides ``events``."""
    settings = (
        ("trigger_min_area", tpc.trigger_min_area, "PE of the smallest S2 that makes an event"),
        ("event_left", tpc.event_left, "ns from the start of an event to its first large S2"),
        ("event_right", tpc.event_right, "ns from the last large S2 of an event to its end"),
    )

    class Events(_Events):
        takes_config = options(settings)

    return Events


strax_private.keep_compiled()


class _Events(strax.OverlapWindowPlugin):  # type: ignore[misc]
    """Large S2s with touching windows share an event, so that events never overlap.

    With each following chunk an event is built again, until nothing more can be added to it.
    """

    __version__ = "1.0.0"
    chunk_target_size_mb = CHUNK_MB
    depends_on = "peak_basics"
    provides = "events"
    data_kind = "events"
    dtype = (
        *strax.time_fields,
        (("Number of the event in its run", "event_number"), np.int64),
    )

    def get_window_size(self) -> tuple[int, int]:
        """Return how far before and after its S2s an event depends on peaks."""
        size = self.config["event_left"] + self.config["event_right"] + 1
        return size, size

    def iter(self, iters: Any, executor: Any = None) -> Iterator[Any]:
        """Number the events here, because compute sees some events twice."""
        n_events = 0
        for chunk in super().iter(iters, executor=executor):
            chunk.data["event_number"] = n_events + np.arange(len(chunk))
            n_events += len(chunk)
            yield chunk

    def compute(self, peaks: Array, start: int, end: int) -> Array:
        """Return the events around large S2s, limited to the recorded time."""
        left, right = self.config["event_left"], self.config["event_right"]
        is_trigger = (peaks["type"] == S2) & (peaks["area"] >= self.config["trigger_min_area"])
        triggers = peaks[is_trigger]
        if not len(triggers):
            return np.zeros(0, self.dtype)
        first, last = triggers["time"] - left, strax.endtime(triggers) + right
        starts_event = np.append(True, first[1:] > last[:-1])
        ends_event = np.append(starts_event[1:], True)
        result: Array = np.zeros(starts_event.sum(), self.dtype)
        result["time"] = np.maximum(first[starts_event], start)
        result["endtime"] = np.minimum(last[ends_event], end)
        return result
