"""The driver with many pending runs among 100,000 run documents, beside a bare DAG.

``python benchmarks/driver.py [NUMBER ...]``: a dry-run, and the time to the first job.
"""

import copy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import measuring
from measuring import Measured

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import SNAKEMAKE, Site

DOCUMENTS = 100_000
PENDING = (10, 100, 1000, 5000, 10_000)
REPEATS = 7

FIRST_JOB = ("jobid:", "transfer from the DAQ")
"""What Snakemake says of the first job, with a message of its own or without."""

INDEXES = (
    *("number", "processing_status", "processing_status.status"),
    *("processing.retry_at", "tags.name"),
)
"""Those of docs/how-to/run-database.md."""

BARE = """
RUNS = [f"{{number:06d}}" for number in range({first}, {last})]
rule all:
    input: expand("results/{{run}}/rundoc.json", run=RUNS)
rule publish:
    input: "results/{{run}}/transfer.json", "results/{{run}}/event_basics.json"
    output: {output}("results/{{run}}/rundoc.json")
    {directives}
rule process:
    input: "results/{{run}}/transfer.json"
    output: {output}("results/{{run}}/event_basics.json")
    {directives}
rule transfer:
    output: {output}("results/{{run}}/transfer.json")
    {directives}
"""
NOTHING = {"output": "", "directives": 'shell: "echo > {output}"'}
AS_OURS = {
    "output": "report",
    "directives": """log: "logs/{run}/job.log"
    conda: "environment.yaml"
    params: number=1
    message: "Run {wildcards.run}"
    resources: mem_mb=1000, runtime=60
    shell: "echo > {output}"
""",
}
"""The directives that our rules have, with values instead of functions."""


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
            rows.append({"pending runs": number} | compare(site, number))
            print(measuring.table(rows[-1:]), flush=True)
    print(measuring.table(rows))
    measuring.write("driver", rows)


def compare(site: Site, number: int) -> dict[str, float]:
    """Measure what the workflow takes with so many pending runs, and what a bare DAG does."""
    set_pending(site, number)
    dry_run = measuring.alternately(
        REPEATS,
        {
            "ours": lambda: measuring.process(*site.command("-n", "--quiet")),
            "bare": lambda: measuring.process(*bare(site, number), "-n", "--quiet"),
            "as ours": lambda: measuring.process(*bare(site, number, AS_OURS), "-n", "--quiet"),
        },
    )
    first_job = measuring.alternately(
        REPEATS,
        {
            "ours": lambda: measuring.until(FIRST_JOB, *ours(site, number), "--cores", "2"),
            "bare": lambda: measuring.until(FIRST_JOB, *bare(site, number), "--cores", "2"),
        },
    )
    return beside("dry-run", dry_run) | beside("first job", first_job)


def beside(what: str, measured: dict[str, list[Measured]]) -> dict[str, float]:
    """Return time and memory of both as columns of the table."""
    ours, bare = measured["ours"], measured["bare"]
    row = {
        f"{what} (s)": measuring.median(ours),
        f"{what}, bare (s)": measuring.median(bare),
        f"{what}, ratio": measuring.median(ours) / measuring.median(bare),
        f"{what} (MB)": measuring.memory(ours),
        f"{what}, bare (MB)": measuring.memory(bare),
    }
    if alike := measured.get("as ours"):
        row[f"{what}, to same directives"] = measuring.median(ours) / measuring.median(alike)
    return row


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
    for field in INDEXES:
        site.collection.create_index(field)


def set_pending(site: Site, number: int) -> None:
    """Let the newest runs be pending, and only these."""
    site.collection.update_many(
        {"processing_status": {"$ne": "done"}},
        {"$set": {"processing_status": "done"}, "$unset": {"processing": ""}},
    )
    site.collection.update_many(
        {"number": {"$gt": DOCUMENTS - number}}, {"$set": {"processing_status": "pending"}}
    )


def ours(site: Site, number: int) -> list[str]:
    """Return the command for the workflow, with all runs pending and a new working directory."""
    set_pending(site, number)
    return replace(site, folder=new_folder(site)).command()


def bare(site: Site, number: int, rules: Mapping[str, str] = NOTHING) -> list[str]:
    """Return the command for a workflow with the same jobs, and nothing in them."""
    folder = new_folder(site)
    snakefile = folder / "Snakefile"
    snakefile.write_text(BARE.format(first=DOCUMENTS - number + 1, last=DOCUMENTS + 1, **rules))
    return [str(SNAKEMAKE), "--snakefile", str(snakefile), "--directory", str(folder)]


def new_folder(site: Site) -> Path:
    """Return a new folder: in one that was just emptied, files are slow to make."""
    return Path(tempfile.mkdtemp(dir=site.folder))


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]] or PENDING)
