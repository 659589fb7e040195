"""Verbs that look at all runs, in a large run database: time and peak memory.

``python benchmarks/scale.py [NUMBER]`` measures with so many run documents and a tenth of them.
Each document has a status and a history, as after processing; no run has files here.
"""

import copy
import resource
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import measuring

from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

sys.path.insert(0, str(layout.REPOSITORY / "tests"))
from site_for_tests import XAMSFLOW, Site

DOCUMENTS = 200_000
TOGETHER = 5000

VERBS = (
    ("status",),
    ("status", "--all"),
    ("status", "--json"),
    ("page", "--pictures", "0"),
    ("reconcile",),
)


def main(number: int = DOCUMENTS) -> None:
    """Measure, print and write."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod.running(Path(folder) / "mongod") as mongod,
    ):
        site = Site(Path(folder) / "site", mongod.uri, "scale")
        filled = 0
        for documents in (number // 10, number):
            fill(site, filled, documents)
            filled = documents
            for verb in VERBS:
                command = [XAMSFLOW, *verb, "--directory", site.work]
                before = cpu_seconds()
                found = measuring.process(*command, "--configfile", site.configfile)
                row = {"documents": documents, "verb": " ".join(verb), "s": found.seconds}
                rows.append(row | {"CPU s": cpu_seconds() - before, "MB": found.memory_mb})
                print(measuring.table(rows[-1:]), flush=True)
    print(measuring.table(rows))
    measuring.write("scale", rows)


def cpu_seconds() -> float:
    """Return the CPU time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(site: Site, first: int, last: int) -> None:
    """Insert the documents of finished runs after the first ones, up to the last one."""
    model = site.collection.find_one({"number": 1}) or site.add_run(1, status=None)
    history = [{"time": model["start"], "from": "pending", "to": "done", "by": "driver"}] * 4
    documents: list[dict[str, Any]] = []
    for number in range(first + 1, last + 1):
        document = copy.copy(model)
        document.pop("_id", None)
        later = timedelta(minutes=number)
        document |= {"number": number, "start": model["start"] + later}
        document |= {"end": model["end"] + later, "processing_status": "failed"}
        about = {"attempt": 1, "reason": "a test", "time": document["end"], "history": history}
        document["processing"] = about | {"failure": "bad_data"}
        documents.append(document)
        if len(documents) == TOGETHER or number == last:
            site.collection.delete_many({"number": documents[0]["number"]})
            site.collection.insert_many(documents)
            documents = []
    site.collection.create_index("number")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
