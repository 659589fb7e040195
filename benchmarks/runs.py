"""Single runs, from live data to events: this project, amstrax, straxen's reader, and the limits.

``python benchmarks/runs.py [short|long]``. The short run is the real one where it exists. In long
ones amstrax goes up to peak_basics: its events fail where one reaches over a border of chunks.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring
import peer
from measuring import Measured

from xamsflow.base import memory
from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.state import layout

REAL = layout.REPOSITORY.parent / "shared" / "data"
REAL_RUN = "002240"

DECODE = """
import sys
from pathlib import Path
import lz4.frame
for file in Path(sys.argv[1]).glob("*/0*/*"):
    if content := file.read_bytes():
        lz4.frame.decompress(content)
"""

Contestants = Mapping[str, Callable[[], Measured]]


class Run:
    """A run on disk, and whoever processes it; each does so into a new folder."""

    def __init__(self, document: Path, live_data: Path, name: str, work: Path) -> None:
        self.document, self.live_data, self.detector = document, live_data, name
        self.work = work

    def ours(self, data_type: str, threads: int = 1) -> Callable[[], Measured]:
        """Return what processes the run up to a data type with this project."""
        return lambda: self._process(
            sys.executable, "xamsflow_run.py", data_type, self.detector, str(threads)
        )

    def forked(self, data_type: str, threads: int = 1) -> Callable[[], Measured]:
        """Return what processes the run in a fork that need not import anything."""

        def measure() -> Measured:
            options = (data_type, self.detector, str(threads), "forked")
            whole = self._process(
                sys.executable, "xamsflow_run.py", *options, environment=memory.HUGE_PAGES
            )
            seconds, memory_mb = map(float, whole.output.split()[-2:])
            return replace(whole, seconds=seconds, memory_mb=memory_mb)

        return measure

    def amstrax(self, python: Path, target: str, *stored: str) -> Callable[[], Measured]:
        """Return what processes the run up to a data type with amstrax, and stores another one."""
        return lambda: self._process(python, "amstrax_run.py", target, *stored)

    def straxen(self) -> Callable[[], Measured]:
        """Return what makes raw records with straxen's reader."""
        return lambda: self._process(sys.executable, "straxen_run.py")

    def decode(self) -> Measured:
        """Read and decompress all files, one after the other, and do nothing with them."""
        return measuring.process(sys.executable, "-c", DECODE, self.live_data)

    def _process(
        self,
        python: str | Path,
        program: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> Measured:
        with tempfile.TemporaryDirectory(dir=self.work) as output:
            return measuring.process(
                python,
                peer.PEERS / program,
                self.document,
                self.live_data,
                output,
                *arguments,
                cwd=self.work,
                environment=environment,
            )


def simulated(work: Path, number: int, duration: float, event_rate: float) -> Run:
    """Make a run of XAMS; `duration` in s, `event_rate` in Hz."""
    one = detector.load("xams")
    live_data = work / f"live_{number}"
    live_data.mkdir()
    physics = Physics.of(one, number, event_rate=event_rate)
    run = SimulatedRun(number=number, detector=one, duration=duration, physics=physics)
    document = work / f"rundoc_{number}.json"
    document.write_text(json.dumps(rundoc.to_json(simulate(run, live_data))))
    return Run(document, live_data, "xams", work)


def short_run(work: Path) -> Run:
    """Return the real run where it exists, and a simulated one otherwise."""
    if REAL.is_dir():
        return Run(REAL / f"rundoc_{REAL_RUN}.json", REAL / "live_data", "xamsl", work)
    return simulated(work, 6800, 12, 50)


def short(work: Path, python: Path | None) -> list[dict[str, Any]]:
    """Return figures of whole processes for a short run."""
    run = short_run(work)
    contestants = {"xamsflow, event_basics": run.ours("event_basics")}
    if python is not None:
        contestants["amstrax, events"] = run.amstrax(python, "events")
    contestants |= {
        "xamsflow, raw records": run.ours("raw_records_v1730"),
        "import strax": lambda: measuring.process(sys.executable, "-c", "import strax"),
        "lz4 decode": run.decode,
    }
    return compare("short", 5, contestants)


def long(work: Path, python: Path | None) -> list[dict[str, Any]]:
    """Return figures of a long run, of a tenth of it, and of a run ten times denser."""
    rows = []
    for number, (name, duration, rate) in enumerate(
        [("33 s", 33, 50), ("330 s", 330, 50), ("33 s, ten times denser", 33, 500)], start=6800
    ):
        run = simulated(work, number, duration, rate)
        contestants = {
            "xamsflow, event_basics": run.ours("event_basics"),
            "xamsflow, event_basics, two threads": run.ours("event_basics", threads=2),
            "xamsflow, event_basics, as a job": run.forked("event_basics"),
        }
        if python is not None:
            contestants["amstrax, peak_basics"] = run.amstrax(python, "peak_basics")
            contestants["the same, storing records"] = run.amstrax(python, "peak_basics", "records")
        contestants |= {
            "xamsflow, raw records": run.ours("raw_records_v1730"),
            "straxen's reader": run.straxen(),
            "lz4 decode": run.decode,
        }
        rows += compare(name, 3, contestants)
    return rows


def compare(name: str, repeats: int, contestants: Contestants) -> list[dict[str, Any]]:
    """Measure, print, and return a row for each contestant."""
    measured = measuring.alternately(repeats, contestants)
    first = measuring.median(next(iter(measured.values())))
    rows = [
        {
            "run": name,
            "what": what,
            "median (s)": measuring.median(several),
            "fastest (s)": min(one.seconds for one in several),
            "memory (MB)": statistics.median(one.memory_mb for one in several),
            "times xamsflow": measuring.median(several) / first,
        }
        for what, several in measured.items()
    ]
    print(measuring.table(rows), flush=True)
    return rows


def main(names: list[str]) -> None:
    """Measure, print and write."""
    python = peer.amstrax_python()
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in (("short", short), ("long", long)):
            if name in names or not names:
                work = Path(folder) / name
                work.mkdir()
                measuring.write(f"runs_{name}", measure(work, python))


if __name__ == "__main__":
    main(sys.argv[1:])
