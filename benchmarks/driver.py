"""The driver with many pending runs among 100,000 run documents, beside a bare DAG.

``python benchmarks/driver.py [NUMBER ...]``: a dry-run, and the time to the first job.
"""

import copy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import measuring
import pymongo
from tabulate import tabulate

from xamsflow import embedded_mongod, layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import SNAKEMAKE, Site

DOCUMENTS = 100_000
PENDING = (10, 100, 1000, 5000)
REPEATS = 3

BARE = """
RUNS = [f"{{number:06d}}" for number in range({first}, {last})]
rule all:
    input: expand("results/{{run}}/rundoc.json", run=RUNS)
rule publish:
    input: "results/{{run}}/transfer.json", "results/{{run}}/event_basics.json"
    output: "results/{{run}}/rundoc.json"
    shell: "echo > {{output}}"
rule process:
    input: "results/{{run}}/transfer.json"
    output: "results/{{run}}/event_basics.json"
    shell: "echo > {{output}}"
rule transfer:
    output: "results/{{run}}/transfer.json"
    shell: "echo > {{output}}"
"""


def main(numbers: Sequence[int]) -> None:
    """Measure, print and write."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "driver")
        fill(site)
        for number in numbers:
            set_pending(site, number)
            bare = bare_workflow(Path(folder) / f"bare{number}", number)
            measured = measuring.alternately(
                REPEATS,
                {
                    "ours": lambda: measuring.process(*site.command("-n", "--quiet")),
                    "bare": lambda bare=bare: measuring.process(*bare, "-n", "--quiet"),
                },
            )
            ours, theirs = measured["ours"], measured["bare"]
            rows.append(
                {
                    "pending runs": number,
                    "dry-run (s)": measuring.median(ours),
                    "bare DAG (s)": measuring.median(theirs),
                    "ratio": measuring.median(ours) / measuring.median(theirs),
                    "memory (MB)": measuring.memory(ours),
                    "bare (MB)": measuring.memory(theirs),
                    "first job (s)": first_job(site.command("--cores", "2")),
                    "bare first job (s)": first_job([*bare, "--cores", "2"]),
                }
            )
            print(tabulate(rows[-1:], headers="keys", floatfmt=".2f"), flush=True)
    print(tabulate(rows, headers="keys", floatfmt=".2f"))
    measuring.write("driver", rows)


def fill(site: Site) -> None:
    """Put documents of finished runs into the database, with the histories that they end with."""
    first = site.add_run(1, status=None)
    documents: list[dict[str, Any]] = []
    for number in range(1, DOCUMENTS):
        document = copy.copy(first)
        document.pop("_id", None)
        document["number"] = number + 1
        document["start"] = first["start"] + timedelta(minutes=number)
        document["end"] = first["end"] + timedelta(minutes=number)
        document["processing_status"] = "done"
        documents.append(document)
    site.collection.insert_many(documents)
    site.collection.create_index([("processing_status", pymongo.ASCENDING)])
    site.collection.create_index([("number", pymongo.DESCENDING)])


def set_pending(site: Site, number: int) -> None:
    """Let the newest runs be pending, and only these."""
    site.collection.update_many(
        {"processing_status": {"$ne": "done"}},
        {"$set": {"processing_status": "done"}, "$unset": {"processing": ""}},
    )
    site.collection.update_many(
        {"number": {"$gt": DOCUMENTS - number}}, {"$set": {"processing_status": "pending"}}
    )


def bare_workflow(folder: Path, number: int) -> list[str]:
    """Return the command for a workflow with the same jobs, and nothing in them."""
    folder.mkdir()
    snakefile = folder / "Snakefile"
    snakefile.write_text(BARE.format(first=DOCUMENTS - number + 1, last=DOCUMENTS + 1))
    return [str(SNAKEMAKE), "--snakefile", str(snakefile), "--directory", str(folder)]


def first_job(command: Sequence[str]) -> float:
    """Return the time until Snakemake says that it runs the first job (s), and stop it there."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "jobid:" in line or "Finished jobid" in line or "transfer from the DAQ" in line:
            break
    else:
        sys.exit("no job was started: " + "".join(said[-20:]))
    seconds = time.perf_counter() - start
    process.send_signal(signal.SIGINT)
    process.communicate()
    return seconds


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]] or PENDING)
