"""The pages of all runs and of trends: size, time to open them, and the cost of updates.

``python benchmarks/page.py [NUMBER]``: so many run documents as after processing, with tags,
comments and twelve data types each. A watch that sees no change makes the page ("nothing changed")
every 15 min; what it takes otherwise stands in the row "idle watch" (`share`: of a core).
"""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import measuring

from xamsflow.analysis import trends
from xamsflow.base import clock
from xamsflow.rundb import registered
from xamsflow.settings import config
from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout, receipts
from xamsflow.state.quantities import VERSION
from xamsflow.views import page

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from servers.browser import running_browser
from servers.sshd import descendants
from site_for_tests import XAMSFLOW, Site

RUNS = 10_000
TOGETHER = 2000
REPEATS = 5
SIGNS = 200

BUSY_S = 60.0
"""After its start, a watch makes the page, and a child what is missing beside it."""

IDLE_S = 180.0

FIRST = datetime(2025, 7, 1, tzinfo=UTC)
MODES = ("background", "led", "kr83m", "co60", "ba133")
DATA_TYPES = (
    *("raw_records_v1730", "records", "peaks", "peak_basics", "peak_classification"),
    *("peak_positions", "events", "event_basics", "corrected_areas", "event_info"),
    *("pulse_counts", "event_positions"),
)

SECONDS = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
"""From the start of the navigation until the table is drawn, in the browser (s)."""


def main(number: int = RUNS) -> None:
    """Measure, print and write."""
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "page")
        fill(site, number)
        settings = config.load([site.configfile])
        with contextlib.chdir(site.work):
            rows.append(measured("first page", 1, lambda _: page.make(settings)))
            rows.append(measured("nothing changed", REPEATS, lambda _: page.make(settings)))
            rows.append(measured("one run changed", REPEATS, lambda i: one_more(site, settings, i)))
            about = ("page", layout.PAGE), ("changes", layout.PAGE_CHANGES)
            rows += [{"what": what, "MB": path.stat().st_size / 1e6} for what, path in about]
            rows.append(measured("sign of life", SIGNS, lambda _: page.tell_watch(clock.now())))
            rows.append({"what": "open in a browser", "s": opened(layout.PAGE, folder)})
            fill_quantities(number)
            rows.append(measured("first trends", 1, lambda _: trends.make(settings)))
            rows.append(measured("trends, nothing changed", 1, lambda _: trends.make(settings)))
            rows.append({"what": "trends", "MB": layout.TRENDS.stat().st_size / 1e6})
            rows.append({"what": "open the trends", "s": opened(layout.TRENDS, folder)})
            page.make(settings, details=number, thorough=True)
            rows.append(idle(site))
    print(measuring.table(rows, decimals=4))
    measuring.write("page", rows)


def fill(site: Site, number: int) -> None:
    """Insert the documents of processed runs, some of which failed or are odd."""
    chosen = random.Random(1)
    documents = []
    for i in range(1, number + 1):
        start = FIRST + i * timedelta(minutes=70)
        end = start + timedelta(hours=1)
        status = "done" if i % 97 else "failed"
        history = [{"time": end, "from": "pending", "to": status, "by": "driver"}] * 4
        about = {"attempt": 1, "time": end, "history": history}
        about |= {"quality": {"verdict": "clean", "findings": []}}
        about |= {"health": {"verdict": "usual" if i % 200 else "odd"}}
        if status == "failed":
            about |= {"reason": f"chunk {i}: file is damaged", "failure": "bad_data"}
        note = {"user": "shifter", "date": end}
        stored = [
            {
                **{"type": data_type, "lineage_hash": f"{i // 2500}x{data_type[:8]}", "time": end},
                **{"size_mb": 3.1, "host": "stbc", "location": f"/data/{i:06d}-{data_type}"},
                **{"by": "driver", "protocol": registered.PROTOCOL},
            }
            for data_type in DATA_TYPES
        ]
        documents.append(
            {
                **{"number": i, "mode": chosen.choice(MODES), "start": start, "end": end},
                **{"tags": [{"name": name} | note for name in ("sr0", "messy")[: 1 + i % 3 // 2]]},
                "comments": [{"comment": f"anode at {i % 5 + 1} kV, run {i} is fine"} | note],
                "data": [{"type": "live", "size_mb": 1500.0 + i, "location": "/daq"}, *stored],
                **{"processing_status": status, "processing": about},
            }
        )
        if len(documents) == TOGETHER or i == number:
            site.collection.insert_many(documents)
            documents = []
    site.collection.create_index("number")


def fill_quantities(number: int) -> None:
    """Write the quantities of runs of five channels, as the workflow would."""
    chosen = random.Random(2)
    by_channel = ("pulse_rate", "noise", "baseline", "spe_area", "saturation", "light_fraction")
    names = [f"{name}_ch{channel}" for name in by_channel for channel in range(5)]
    names += ["event_rate", "s1_rate", "s2_rate", "unknown_rate", "lone_hit_rate", "s1_area"]
    names += ["s2_area", "live_fraction", "drift_time_edge", "electron_loss_rate"]
    names += ["electron_lifetime", "s2_width_slope"]
    for i in range(1, number + 1):
        run_id = layout.run_id(i)
        start = int((FIRST + i * timedelta(minutes=70)).timestamp()) * 10**9
        quantities = {
            name: {"value": chosen.gauss(20, 1), "error": 0.9, "unit": "Hz", "definition": "a mean"}
            | {"channel": int(name[-1]) if "_ch" in name else None}
            for name in names
        }
        about = {"version": VERSION, "run_id": run_id, "detector": "xams", "mode": MODES[i % 5]}
        about |= {"start": start, "end": start + 10**12, "time": "now", "lineage": {}}
        path = layout.quantities(run_id)
        receipts.write(path, about | {"quantities": quantities}, durable=False)


def one_more(site: Site, settings: config.Config, i: int) -> None:
    """Change a run, and update the page."""
    site.collection.update_one({"number": i + 1}, {"$set": {"mode": f"mode {i}"}})
    page.make(settings)


def measured(what: str, repeats: int, work: Callable[[int], object]) -> dict[str, Any]:
    """Return wall and CPU time of each repeat, on average (s)."""
    start, used = time.perf_counter(), os.times()
    for i in range(repeats):
        work(i)
    seconds, now = time.perf_counter() - start, os.times()
    cpu = now.user + now.system - used.user - used.system
    return {"what": what, "s": seconds / repeats, "CPU s": cpu / repeats}


def idle(site: Site) -> dict[str, Any]:
    """Return the CPU time of a watch while nothing changes, with all that it starts."""
    site.configure(watch={"pictures": 20, "quantities": True})
    where = ("--directory", str(site.work), "--configfile", str(site.configfile))
    command = [str(XAMSFLOW), "watch", "--profile", "local", *where]
    watch = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def used_s() -> float:
        return measuring.cpu_s(descendants(watch.pid))

    try:
        time.sleep(BUSY_S)
        start, before = time.perf_counter(), used_s()
        time.sleep(IDLE_S)
        seconds, cpu = time.perf_counter() - start, used_s() - before
    finally:
        watch.terminate()
        watch.wait()
    return {"what": "idle watch", "s": seconds, "CPU s": cpu, "share": cpu / seconds}


def opened(path: Path, folder: str) -> float:
    """Return the fastest time in which a browser opens a page (s)."""
    seconds = []
    home = Path(tempfile.mkdtemp(dir=folder))
    with running_browser(home) as browser:
        for _ in range(REPEATS):
            with browser.open(path.absolute().as_uri(), width=1280, height=900) as tab:
                seconds.append(float(tab.evaluate(SECONDS)))
    return min(seconds)


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
