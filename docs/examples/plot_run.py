"""Plot areas and drift times of one run: plot_run.py PROCESSED RUN PICTURE [DETECTOR].

PROCESSED is the folder of strax data, for example data/processed; RUN is the six-digit run number.
The script reads data with plain strax and again through xamsflow's context, and compares them.
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import strax

from xamsflow.data import context
from xamsflow.settings import detector as detectors

matplotlib.use("Agg")  # writes a file and opens no window; omit this in a notebook

S1_COLOR, S2_COLOR = "#1f6fb4", "#c8501e"


def load(processed, run, data_type):
    """Return a data type of a run, using plain strax and not xamsflow."""
    directory = strax.DataDirectory(str(processed), readonly=True)
    found = Path(processed).glob(f"{run}-{data_type}-*")
    (folder,) = (path for path in found if not path.name.endswith("_temp"))  # unfinished
    lineage = strax.FileSytemBackend().get_metadata(str(folder))["lineage"]
    key = strax.DataKey(run, data_type, lineage)
    return np.concatenate([chunk.data for chunk in directory.loader(key)])


def load_by_context(processed, run, data_type, detector):
    """Return the same data through the context, which knows the settings of the detector."""
    st = context.context(detectors.load(detector), Path(processed), readonly=True)
    return st.get_array(run, data_type, progress_bar=False)


def plot(peaks, events, title):
    """Return a figure: peaks by area and width, areas of S1 and S2 in events, drift times."""
    figure, (width, area, drift) = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    for kind, color, label in ((0, "0.6", "unknown"), (1, S1_COLOR, "S1"), (2, S2_COLOR, "S2")):
        chosen = peaks[peaks["type"] == kind]
        width.plot(chosen["area"], chosen["range_50p_area"], ".", color=color, ms=3, label=label)
    width.set(xscale="log", yscale="log", xlabel="area (PE)", ylabel="width, central 50 % (ns)")
    width.legend(markerscale=3)

    bins = np.geomspace(1, 1e5, 51)
    area.hist(events["s1_area"], bins, histtype="step", color=S1_COLOR, label="main S1", lw=1.5)
    area.hist(events["s2_area"], bins, histtype="step", color=S2_COLOR, label="main S2", lw=1.5)
    area.set(xscale="log", xlabel="area (PE)", ylabel="events")
    area.legend()

    both = events[np.isfinite(events["drift_time"])]
    drift_time = both["drift_time"] / 1e3
    drift.hist(drift_time, np.linspace(0, 50, 51), histtype="step", color="0.2", lw=1.5)
    drift.set(xlabel="drift time (µs)", ylabel=f"events ({len(both)} with S1 and S2)")
    return figure


def main(processed, run, picture, detector="xamsl"):
    """Load a run in both ways and plot it."""
    peaks = load(processed, run, "peak_basics")
    events = load(processed, run, "event_basics")
    again = load_by_context(processed, run, "event_basics", detector)
    assert again.tobytes() == events.tobytes(), "the two ways must read the same data"
    plot(peaks, events, f"run {run}: {len(peaks)} peaks, {len(events)} events").savefig(
        picture, dpi=100
    )
    print(f"{len(peaks)} peaks and {len(events)} events of run {run}: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
