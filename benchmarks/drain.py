"""Fifty pending short runs, from the run database to `done`, beside amstrax's own loop.

``python benchmarks/drain.py [NUMBER]``. amstrax's loop processes one run after the other and sleeps
2 s after each; its time is measured with AMSTRAX_RUNS runs.
"""

import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import measuring
import peer
from runs import Run

from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, embedded_mongod, simulate
from xamsflow.state import layout, receipts

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import Site

FIRST = 6800
AMSTRAX_RUNS = 4
NAP_S = 2


def main(number: int = 50) -> None:
    """Measure, print and write."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(
            Path(folder) / "site",
            mongod.uri,
            "drain",
            {"detector": "xams", "targets": ["event_basics"]},
        )
        add_runs(site, number)
        ours = measuring.process(*site.command("--cores", "2"))
        states = {site.status(run) for run in range(FIRST, FIRST + number)}
        if states != {"done"}:
            sys.exit(f"not all runs are done: {states}\n{ours.output[-2000:]}")
        rows = [
            {
                "what": f"xamsflow, {number} runs",
                "s": ours.seconds,
                "s per run": ours.seconds / number,
            }
        ]
        python = peer.amstrax_python()
        if python is not None:
            run = Run(site.folder / "rundoc.json", site.daq, "xams", Path(folder))
            process = run.amstrax(python, "peak_basics")
            process()  # fills caches
            start = time.perf_counter()
            for _ in range(AMSTRAX_RUNS):
                process()
                time.sleep(NAP_S)
            each = (time.perf_counter() - start) / AMSTRAX_RUNS
            rows.append(
                {
                    "what": f"amstrax's loop up to peak_basics, {AMSTRAX_RUNS} runs",
                    "s": each * AMSTRAX_RUNS,
                    "s per run": each,
                }
            )
        for row in rows:
            row["times xamsflow"] = row["s per run"] / rows[0]["s per run"]
    print(measuring.table(rows))
    measuring.write("drain", rows)


def add_runs(site: Site, number: int) -> None:
    """Put equal runs of 12 s on the DAQ host, pending in the run database."""
    xams = detector.load("xams")
    physics = Physics.of(xams, FIRST)
    document = simulate(SimulatedRun(FIRST, xams, duration=12, physics=physics), site.daq)
    receipts.write(site.folder / "rundoc.json", rundoc.to_json(document))
    for run in range(FIRST, FIRST + number):
        if run > FIRST:
            shutil.copytree(site.daq / layout.run_id(FIRST), site.daq / layout.run_id(run))
        later = timedelta(minutes=run - FIRST)
        site.insert(
            document
            | {
                "number": run,
                "start": document["start"] + later,
                "end": document["end"] + later,
                "processing_status": "pending",
            }
        )


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
