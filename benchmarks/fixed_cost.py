"""What a short run costs beyond its physics: whole processes, several times, medians.

Prints a table and writes ``benchmarks/fixed_cost.json``.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from xamsflow import detector, layout, rundoc
from xamsflow.simulate import SimulatedRun, simulate

REPEATS = 5
RUN = "002240"
REAL_DATA = layout.REPOSITORY.parent / "shared" / "data"

PROCESS = """
import json, sys
from pathlib import Path
from xamsflow import detector, rundoc
from xamsflow.processing import process_run
process_run(
    document=rundoc.from_json(json.loads(Path(sys.argv[1]).read_text())),
    detector=detector.load("xamsl"),
    live_data=Path(sys.argv[2]),
    processed=Path(sys.argv[3]),
    data_type="raw_records_v1730",
)
"""


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        document, live_data = short_run(work)
        measured = {
            "import strax": measure(lambda _: python("import strax")),
            "raw records of a short run, whole process": measure(
                lambda i: python(PROCESS, str(document), str(live_data), str(work / f"data{i}"))
            ),
            "the same, already stored": measure(
                lambda _: python(PROCESS, str(document), str(live_data), str(work / "data0"))
            ),
            "snakemake -n of one run": measure(lambda _: dry_run(work, 1)),
            "snakemake -n of 100 runs": measure(lambda _: dry_run(work, 100)),
        }
    medians = {what: statistics.median(seconds) for what, seconds in measured.items()}
    print(
        tabulate(
            [(what, min(measured[what]), median) for what, median in medians.items()],
            headers=["what", "fastest (s)", "median (s)"],
            floatfmt=".2f",
        )
    )
    file = layout.REPOSITORY / "benchmarks" / "fixed_cost.json"
    file.write_text(json.dumps({"seconds": measured, "median": medians}, indent=1) + "\n")
    print(f"written to {file}")


def short_run(work: Path) -> tuple[Path, Path]:
    """Return document and live data of the real run where it exists, of an equal one otherwise."""
    document, live_data = REAL_DATA / f"rundoc_{RUN}.json", REAL_DATA / "live_data"
    if not document.exists():
        document, live_data = work / "rundoc.json", work / "live_data"
        live_data.mkdir()
        run = SimulatedRun(number=int(RUN), detector=detector.load("xamsl"), duration=10.5)
        document.write_text(json.dumps(rundoc.to_json(simulate(run, live_data))))
    return document, live_data


def measure(work: Callable[[int], None]) -> list[float]:
    """Return the wall times of several runs (s), after one that warms caches up."""
    seconds = []
    for i in range(REPEATS + 1):
        start = time.perf_counter()
        work(i)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def python(code: str, *arguments: str) -> None:
    """Run a program in a process of its own."""
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def dry_run(work: Path, runs: int) -> None:
    """Let Snakemake plan some runs by name."""
    subprocess.run(
        [
            str(Path(sys.executable).with_name("snakemake")),
            *("--snakefile", str(layout.SNAKEFILE)),
            *("--profile", str(layout.REPOSITORY / "profiles" / "local")),
            *("--directory", str(work / "plan")),
            "-n",
            *(f"results/{run:06d}/raw_records_v1730.json" for run in range(runs)),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    main()
