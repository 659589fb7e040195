"""What an analyst waits for: data of many runs beside a bare reading of the same files, and runs.

``python benchmarks/analysis.py``. The runs are copies of one that is really processed.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pymongo
import strax

import xamsflow
from xamsflow.analysis.site import Site
from xamsflow.data.processing import process_run
from xamsflow.run import run_metadata
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, embedded_mongod, simulate
from xamsflow.state import layout

FIRST, N_RUNS = 2000, 1000
DURATION_S, EVENT_RATE_HZ = 60, 20
DATA_TYPE = "event_info"
CONTEXT_RUNS = 20
"""So many are loaded through the context, which takes much longer for each."""
DOCUMENTS = 100_000
REPEATS = 5


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = process(folder)
        rows = [*loading(folder), *runs(folder, document)]
    print(measuring.table(rows, decimals=3))
    measuring.write("analysis", rows)


def process(folder: Path) -> dict[str, Any]:
    """Make the runs; return the document of the first one."""
    one = detector.load("xamsl")
    physics = Physics.of(one, FIRST, event_rate=EVENT_RATE_HZ)
    run = SimulatedRun(number=FIRST, detector=one, duration=DURATION_S, physics=physics)
    document = simulate(run, folder / "live_data")
    processed = folder / "data" / "processed"
    process_run(
        document=document,
        detector=one,
        live_data=folder / "live_data",
        processed=processed,
        data_type=DATA_TYPE,
    )
    (made,) = processed.glob(f"*-{DATA_TYPE}-*")
    for number in range(FIRST, FIRST + N_RUNS):
        if number != FIRST:
            rest = made.name.partition("-")[2]
            shutil.copytree(made, processed / f"{layout.run_id(number)}-{rest}")
        run_metadata.write(processed, run_metadata.of(document | {"number": number}))
    return document


def loading(folder: Path) -> list[dict[str, Any]]:
    """Compare the ways to load a data type of many runs."""
    site = xamsflow.open(directory=folder, run_database=False)
    last = FIRST + N_RUNS - 1
    few = [layout.run_id(number) for number in range(FIRST, FIRST + CONTEXT_RUNS)]
    st = site.context()
    bare_s, load_s, columns_s = alternately(
        lambda: bare(site),
        lambda: site.load(DATA_TYPE, f"{FIRST}-{last}"),
        lambda: site.load(DATA_TYPE, f"{FIRST}-{last}", columns=["s1_area", "s2_area"]),
    )
    quiet = {"progress_bar": False, "multi_run_progress_bar": False}
    (context_s,) = alternately(lambda: st.get_df(few, DATA_TYPE, **quiet), repeats=1)
    context_s *= N_RUNS / CONTEXT_RUNS
    return [
        {"what": what, "seconds": seconds, "times bare reading": seconds / bare_s}
        for what, seconds in (
            (f"bare reading, {N_RUNS} runs", bare_s),
            ("site.load", load_s),
            ("site.load, two columns", columns_s),
            (f"context.get_df, from {CONTEXT_RUNS} runs", context_s),
        )
    ]


def bare(site: Site) -> Any:
    """Read and join all files of a data type, with no more than strax's metadata."""
    parts = []
    dtype = None
    for folder in sorted(site.processed.glob(f"*-{DATA_TYPE}-*")):
        prefix = folder.name.partition("-")[2]
        metadata = json.loads((folder / f"{prefix}-metadata.json").read_text())
        dtype = dtype or np.dtype(eval(metadata["dtype"]))
        for chunk in metadata["chunks"]:
            if chunk["n"]:
                file = str(folder / chunk["filename"])
                parts.append(strax.load_file(file, metadata["compressor"], dtype))
    return np.concatenate(parts)


def runs(folder: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure the table of all runs of a large run database."""
    with embedded_mongod.running(folder / "mongod") as mongod:
        settings = folder / "mongod.yaml"
        settings.write_text(json.dumps({"rundb": {"uri": mongod.uri}}))
        site = xamsflow.open(settings, directory=folder, run_database=True)
        fill(mongod.uri, document)
        everything, few = alternately(site.runs, lambda: site.runs(f"{FIRST}-{FIRST + N_RUNS - 1}"))
        site.close()
    return [
        {"what": f"site.runs, {DOCUMENTS} documents", "seconds": everything},
        {"what": f"site.runs, {N_RUNS} of them", "seconds": few},
    ]


def fill(uri: str, document: dict[str, Any]) -> None:
    """Insert documents of runs that were taken one after the other."""
    collection: Any = pymongo.MongoClient(uri)["run"]["runs_new"]
    collection.create_index("number")
    for first in range(1, DOCUMENTS + 1, 1000):
        documents = []
        for number in range(first, first + 1000):
            one = {key: value for key, value in document.items() if key != "_id"}
            later = timedelta(minutes=number)
            one |= {"number": number, "start": one["start"] + later, "end": one["end"] + later}
            documents.append(one | {"tags": [{"name": "test"}], "processing_status": "done"})
        collection.insert_many(documents)


def alternately(*contestants: Callable[[], Any], repeats: int = REPEATS) -> list[float]:
    """Return the median time (s) of each, measured in turn after one turn that fills caches."""
    times: list[list[float]] = [[] for _ in contestants]
    for turn in range(repeats + 1):
        for contestant, measured in zip(contestants, times, strict=True):
            start = time.perf_counter()
            contestant()
            if turn:
                measured.append(time.perf_counter() - start)
    return [statistics.median(measured) for measured in times]


if __name__ == "__main__":
    sys.exit(main())
