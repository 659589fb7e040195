"""Runs that are being taken: how soon they are shown and processed, and what that costs the DAQ.

``python benchmarks/live.py [NUMBER]``: runs of 12 s and of a minute, written as the DAQ does.

- what a look at a growing run costs, for runs of different lengths, over a real sshd;
- from a chunk that redax has completed to its picture on the page;
- from the end of a run to its events on disk, in endless mode, followed or not.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import measuring

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout
from xamsflow.transfer import source
from xamsflow.transfer.newest import Newest

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from servers.sshd import Sshd, descendants, running_sshd
from site_for_tests import XAMSFLOW, Site

FILES = (10, 1_000, 23_500)
"""In a run of 12 h there are 23,500."""

LOOKS = 20
SHOWN_RUN_S = 90

FIRST = 6800
DURATIONS_S = (12, 66)
LIMIT_S = 120


def main(number: int = 3) -> None:
    """Measure, print and write."""
    looks = [a_look(n_files) for n_files in FILES]
    print(measuring.table(looks, decimals=4))
    measuring.write("live-looks", looks)
    shown = [from_chunk_to_page()]
    print(measuring.table(shown, decimals=1))
    measuring.write("live-page", shown)
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


def a_look(n_files: int) -> dict[str, Any]:
    """Look at a run of so many files, again and again; return what a look costs (s).

    Half of the looks find a new chunk, the others nothing. `daq` is the CPU time of the sshd.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "000932"
        n_chunks = n_files // 3
        for number in range(n_chunks):
            add_chunk(run, number)
        with running_sshd(Path(folder) / "sshd") as server:
            watched = Newest(source.Folder(server.target(), str(run)))
            start = time.perf_counter()
            watched.done(watched.look())
            first = time.perf_counter() - start
            found: dict[str, Any] = {"files": 3 * n_chunks, "first look": first}
            for what in ("nothing new", "a new chunk"):
                wall, mine, theirs = 0.0, 0.0, 0.0
                for number in range(LOOKS):
                    if what == "a new chunk":
                        add_chunk(run, n_chunks + number)
                    before = time.perf_counter(), time.process_time(), cpu_s_of(server)
                    names = watched.look()
                    wall += time.perf_counter() - before[0]
                    mine += time.process_time() - before[1]
                    theirs += cpu_s_of(server) - before[2]
                    watched.done(names)
                found |= {
                    f"{what}: wall": wall / LOOKS,
                    f"{what}: CPU": mine / LOOKS,
                    f"{what}: daq": theirs / LOOKS,
                }
            watched.close()
    return found


def add_chunk(run: Path, number: int) -> None:
    """Add the files of a chunk to a run, as redax with one thread."""
    for name in (f"{number:06d}", f"{number:06d}_post", f"{number + 1:06d}_pre"):
        (run / name).mkdir(parents=True)
        (run / name / "thread").write_bytes(b"x")


def cpu_s_of(server: Sshd) -> float:
    """Return the CPU time of a server and all its connections (s)."""
    assert server.pid is not None
    return measuring.cpu_s(descendants(server.pid))


def from_chunk_to_page() -> dict[str, Any]:
    """Take a run that is followed; return the times from its complete chunks to the page (s)."""
    late: list[float] = []
    with watched_site(follow=True) as site:
        run = site.daq / layout.run_id(FIRST)
        daq = take(site, FIRST, SHOWN_RUN_S)
        page, seen = site.work / layout.LIVE_PAGE, 0
        about = site.work / layout.live_file(layout.run_id(FIRST))
        while daq.poll() is None:
            time.sleep(0.05)
            try:
                n_chunks = json.loads(about.read_text())["n_chunks"]
            except FileNotFoundError:
                continue
            shown = page.stat().st_mtime
            if n_chunks > seen and shown >= about.stat().st_mtime:  # the page is written last
                whole = run / f"{n_chunks:06d}_pre"  # the last part of the chunk before
                late.append(shown - max(file.stat().st_mtime for file in whole.iterdir()))
                seen = n_chunks
        daq.wait()
    late = late[1:]  # the first picture waits for imports
    return {
        "pictures": len(late),
        "median (s)": statistics.median(late),
        "slowest (s)": max(late),
    }


@contextmanager
def watched_site(*, follow: bool) -> Iterator[Site]:
    """Yield a site of which a watch processes the runs."""
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
            yield site
        finally:
            watch.terminate()
            watch.wait()


def take(site: Site, number: int, duration: int) -> "subprocess.Popen[bytes]":
    """Let the DAQ take a run in real time."""
    return subprocess.Popen(
        [
            *(str(XAMSFLOW), "simulate", str(number), "--live", "1", "--physics", "--insert"),
            *("--duration", str(duration), "--output", str(site.daq)),
            *("--directory", str(site.work), "--configfile", str(site.configfile)),
        ],
        stdout=subprocess.DEVNULL,
    )


def from_end_to_events(number: int, duration: int, follow: bool) -> list[float]:
    """Take runs one after the other; return the times from their ends to their events (s)."""
    with watched_site(follow=follow) as site:
        return [of_one_run(site, FIRST + i, duration) for i in range(number)]


def of_one_run(site: Site, number: int, duration: int) -> float:
    """Take a run on the DAQ; return the time from its end to its events (s)."""
    daq = take(site, number, duration)
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
