"""The event display of the newest large event of a run that is being taken."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from xamsflow.analysis import display, one_event
from xamsflow.analysis.live.so_far import Event
from xamsflow.analysis.one_event import OneEvent, Sensors
from xamsflow.base.durable import replacing
from xamsflow.data.context import context
from xamsflow.settings.detector import Detector
from xamsflow.state import layout

DPI = 80


class EventPicture:
    """Draws an event of a run if it is not the one drawn before."""

    def __init__(self, run_id: str, detector: Detector) -> None:
        self._run_id = run_id
        self._detector = detector
        self._sensors: Sensors | None = None
        self._drawn: int | None = None

    def draw(self, event: Event | None) -> bool:
        """Draw an event, unless it is already drawn; return whether there is a new picture.

        Raises the errors of :func:`xamsflow.base.durable.replacing`.
        """
        if event is None or int(event.row["event_number"]) == self._drawn:
            return False
        if self._sensors is None:  # this needs no data, so any folder will do
            self._sensors = one_event.sensors(
                context(self._detector, Path(), readonly=True), self._run_id
            )
        figure = display.draw(_whole(self._run_id, event, self._sensors))
        output = layout.live_event_picture(self._run_id)
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as partial:
            figure.savefig(partial, format="png", dpi=DPI)
        self._drawn = int(event.row["event_number"])
        return True


def _whole(run_id: str, event: Event, sensors: Sensors) -> OneEvent:
    """Return an event for the display, without the data that are computed only after the run."""
    info: defaultdict[str, Any] = defaultdict(lambda: np.nan)
    info.update({name: event.row[name] for name in event.row.dtype.names})
    has_records = bool(len(event.records))
    return OneEvent(
        run_id=run_id,
        info=info,
        peaks=event.peaks,
        channels=sensors.channels,
        waveforms=one_event.waveforms(event.records, int(info["time"]), sensors.gains)
        if has_records
        else {},
        positions=sensors.positions,
        quadrants=sensors.quadrants,
    )
