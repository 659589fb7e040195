"""From the end of a run on the DAQ to its events on disk, in endless mode.

``python benchmarks/live.py [NUMBER]``: runs of 12 s, one after the other, written as the DAQ does.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import measuring
from tabulate import tabulate

from xamsflow import embedded_mongod, layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import XAMSFLOW, Site

FIRST = 6800
LIMIT_S = 120


def main(number: int = 3) -> None:
    """Measure, print and write."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(
            Path(folder) / "site",
            mongod.uri,
            "live",
            {"detector": "xams", "targets": ["event_basics"]},
        )
        where = ("--directory", str(site.work), "--configfile", str(site.configfile))
        watch = subprocess.Popen(
            [str(XAMSFLOW), "watch", "--profile", "local", *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            seconds = [from_end_to_events(site, FIRST + i) for i in range(number)]
        finally:
            watch.terminate()
            watch.wait()
    rows = [{"runs": number, "median (s)": statistics.median(seconds), "slowest (s)": max(seconds)}]
    print(tabulate(rows, headers="keys", floatfmt=".1f"))
    measuring.write("live", rows)


def from_end_to_events(site: Site, number: int) -> float:
    """Take a run on the DAQ; return the time from its end to its events (s)."""
    measuring.process(
        *(XAMSFLOW, "simulate", number, "--live", 1, "--physics", "--duration", 12, "--insert"),
        *("--output", site.daq, "--directory", site.work, "--configfile", site.configfile),
    )
    receipt = site.work / layout.DATA_TYPE_RECEIPT.format(
        run_id=layout.run_id(number), data_type="event_basics"
    )
    end = site.document(number)["end"]
    while not receipt.exists():
        if (datetime.now(UTC) - end).total_seconds() > LIMIT_S:
            sys.exit(f"run {number} has no events after {LIMIT_S} s")
        time.sleep(0.05)
    return (datetime.now(UTC) - end).total_seconds()


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
