"""Simulated runs that are processed like any others, and loaded together with their truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.base.errors import ConfigurationError
from xamsflow.data.context import context
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.settings import corrections, detector
from xamsflow.settings.detector import Tpc
from xamsflow.simulate import Physics, SimulatedRun, load_signals, simulate, truth_path
from xamsflow.simulate.physics.matching import Matched, match, since

Array = NDArray[Any]

DETECTOR = "xams"
RUN = 6800
"""A run number for which XAMS has gains and a lifetime; the next run is also used."""

USUAL = "usual"
BORDERS = "borders"

LIVE_DATA = "live_data"
"""The folder of the simulated runs."""


@dataclass(frozen=True)
class Sample:
    """A run with its truth. Times are ns since the run's start.

    `records_area` is the area of all records of the TPC, PE.
    """

    settings: SimulatedRun
    matched: Matched
    events: Array
    records_area: float

    @property
    def peaks_area(self) -> float:
        """Area of all peaks, PE."""
        return float(self.matched.peaks["area"].sum(dtype=float))


def usual_run(duration: float, seed: int, detector_name: str = DETECTOR) -> SimulatedRun:
    """Return a run with signals of all sizes, taken with the DAQ's usual settings."""
    one = detector.load(detector_name)
    return SimulatedRun(RUN, one, duration=duration, seed=seed, physics=Physics.of(one, RUN))


def border_run(duration: float, seed: int, detector_name: str = DETECTOR) -> SimulatedRun:
    """Return a run of short chunks with an S2 across the start of each main part and overlap."""
    one = detector.load(detector_name)
    return SimulatedRun(
        RUN + 1,
        one,
        duration=duration,
        seed=seed,
        chunk_length=0.04,
        chunk_overlap=0.01,
        border_pulses=True,
        physics=Physics.of(one, RUN + 1),
    )


def take(settings: SimulatedRun, folder: Path) -> Sample:
    """Simulate a run in a folder, process it up to events, and find the peaks of its signals.

    Raises ConfigurationError if the detector file does not describe a TPC.
    """
    return reconstruct(settings, simulate(settings, folder / LIVE_DATA), folder)


def reconstruct(settings: SimulatedRun, document: Mapping[str, Any], folder: Path) -> Sample:
    """Process a simulated run in a folder up to events, and find the peaks of its signals.

    Raises ConfigurationError if the detector file does not describe a TPC.
    """
    tpc = settings.detector.tpc
    if tpc is None:
        raise ConfigurationError(
            f"detector {settings.detector.name} has no tpc", "choose a detector with one"
        )
    live_data, processed = folder / LIVE_DATA, folder / "processed"
    process_run(
        document=document,
        detector=settings.detector,
        live_data=live_data,
        processed=processed,
        data_type="event_info",
    )
    start = rundoc.parse(document).start
    stored = context(settings.detector, processed, readonly=True)
    peaks = stored.get_array(settings.run_id, "peak_basics", progress_bar=False)
    events = stored.get_array(settings.run_id, "event_basics", progress_bar=False)
    gain = np.zeros(max(tpc.signals.channels) + 1)
    gain[list(tpc.signals.channels)] = corrections.of_run(tpc.signals.gains, settings.number)
    records_area = sum(
        float((chunk.data["area"] * gain[chunk.data["channel"]]).sum())
        for chunk in stored.get_iter(settings.run_id, "records", progress_bar=False)
    )
    signals = load_signals(truth_path(live_data, settings.number))
    return Sample(
        settings=settings,
        matched=match(_seen(settings, signals, tpc), since(start, peaks)),
        events=since(start, events),
        records_area=records_area,
    )


def _seen(settings: SimulatedRun, signals: Array, tpc: Tpc) -> Array:
    """Return the signals that PMTs of the TPC see."""
    channels = [
        channel
        for digitizer in settings.detector.digitizers
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1)
    ]
    in_tpc = np.isin(channels, tpc.signals.channels)
    seen: Array = signals[signals["area_per_channel"][:, in_tpc].any(axis=1)]
    return seen
