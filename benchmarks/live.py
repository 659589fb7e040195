"""From the end of a run on the DAQ to its events on disk, in endless mode, followed or not.

``python benchmarks/live.py [NUMBER]``: runs of 12 s and of a minute, written as the DAQ does.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import measuring

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import XAMSFLOW, Site

FIRST = 6800
DURATIONS_S = (12, 66)
LIMIT_S = 120


def main(number: int = 3) -> None:
    """Measure, print and write."""
    rows = []
    for follow in (False, True):
        for duration in DURATIONS_S:
            seconds = from_end_to_events(number, duration, follow)
            rows.append(
                {
                    "run (s)": duration,
                    "followed": follow,
                    "runs": number,
                    "median (s)": statistics.median(seconds),
                    "slowest (s)": max(seconds),
                }
            )
    print(measuring.table(rows, decimals=1))
    measuring.write("live", rows)


def from_end_to_events(number: int, duration: int, follow: bool) -> list[float]:
    """Take runs one after the other; return the times from their ends to their events (s)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        settings = {"detector": "xams", "targets": ["event_basics"], "select": {"follow": follow}}
        site = Site(Path(folder) / "site", mongod.uri, "live", settings)
        where = ("--directory", str(site.work), "--configfile", str(site.configfile))
        watch = subprocess.Popen(
            [str(XAMSFLOW), "watch", "--profile", "local", *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            return [of_one_run(site, FIRST + i, duration) for i in range(number)]
        finally:
            watch.terminate()
            watch.wait()


def of_one_run(site: Site, number: int, duration: int) -> float:
    """Take a run on the DAQ; return the time from its end to its events (s)."""
    daq = subprocess.Popen(
        [
            *(str(XAMSFLOW), "simulate", str(number), "--live", "1", "--physics", "--insert"),
            *("--duration", str(duration), "--output", str(site.daq)),
            *("--directory", str(site.work), "--configfile", str(site.configfile)),
        ],
        stdout=subprocess.DEVNULL,
    )
    events = f"data/processed/{layout.run_id(number)}-event_basics-*"
    deadline = time.monotonic() + duration + LIMIT_S
    # strax gives the folder its name when everything is in it.
    while not any("_temp" not in path.name for path in site.work.glob(events)):
        if time.monotonic() > deadline:
            sys.exit(f"run {number} has no events after {LIMIT_S} s")
        time.sleep(0.05)
    there = datetime.now(UTC)
    daq.wait()
    while site.status(number) != "done":
        time.sleep(0.1)
    return (there - site.document(number)["end"]).total_seconds()


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
