"""What a run costs beside strax: starts of processes, looks, rsync, receipts, the run database.

``python benchmarks/fixed_cost.py``. What a batch system adds is in ``benchmarks/batch.py cost``.
"""

import sys
import tempfile
from pathlib import Path

import driver
import measuring

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout, receipts

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import Site

RUNS = 10
TARGET = "raw_records_v1730"
JOBS_OF_A_RUN = 3
REPEATS = 5


def main() -> None:
    """Measure, print and write."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "fixed_cost")
        for number in range(1, RUNS + 1):
            site.add_run(number)
        starts = measuring.alternately(
            REPEATS,
            {
                "import strax": lambda: measuring.process(sys.executable, "-c", "import strax"),
                "bare Snakemake, dry-run of one run": lambda: measuring.process(
                    *driver.bare(site, 1), "-n", "--quiet"
                ),
                "xamsflow, dry-run of one run": lambda: measuring.process(
                    *site.command(layout.RUNDOC_RECEIPT.format(run_id="000001"), "-n", "--quiet")
                ),
            },
        )
        whole = measuring.process(*site.command("--cores", "1"))
        strax = sum(work_s(site, number) for number in range(1, RUNS + 1))
    rows = [
        {"what": what, "s": measuring.median(several), "MB": measuring.memory(several)}
        for what, several in starts.items()
    ]
    strax += RUNS * rows[0]["s"]
    rows += [
        {"what": f"{RUNS} short runs on one core", "s": whole.seconds, "MB": whole.memory_mb},
        {"what": "of that strax, its import included", "s": strax},
        {"what": "all else, per job", "s": (whole.seconds - strax) / (RUNS * JOBS_OF_A_RUN)},
    ]
    print(measuring.table(rows))
    measuring.write("fixed_cost", rows)


def work_s(site: Site, number: int) -> float:
    """Return how long strax worked on a run that is done."""
    run = layout.run_id(number)
    return float(receipts.read(site.work / layout.data_type_receipt(run, TARGET))["wall_time_s"])


if __name__ == "__main__":
    main()
