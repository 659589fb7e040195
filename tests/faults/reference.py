"""What undisturbed runs come to: the same runs, processed once without any fault."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from site_for_tests import Site
from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout

NUMBERS = (901, 902)
TARGET = "raw_records_v1730"

Digest = dict[str, str]


@dataclass(frozen=True)
class Reference:
    """Live data and documents of some runs, and the digest of all that is stored of each."""

    numbers: tuple[int, ...]
    daq: Path
    documents: list[dict[str, Any]]
    stored: dict[int, Digest]


def make(folder: Path) -> Reference:
    """Simulate the runs, process them undisturbed, and look at what is stored."""
    with embedded_mongod.running(folder / "mongod") as server:
        site = Site(folder / "site", server.uri, "run")
        documents = [
            site.add_run(number, duration=0.6, rate=50.0 + number % 10) for number in NUMBERS
        ]
        done = site.snakemake()
        assert done.returncode == 0, done.stdout
        for document in documents:
            document.pop("_id", None)
            document.pop("processing_status", None)
    stored = {number: digest(site.work, number) for number in NUMBERS}
    assert all(stored.values())
    return Reference(NUMBERS, site.daq, documents, stored)


def digest(work: Path, number: int) -> Digest:
    """Return the SHA-256 of each file of records stored of a run, by folder, lineage and name."""
    processed = work / "data" / "processed"
    return {
        str(file.relative_to(processed)): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in sorted(processed.glob(f"{layout.run_id(number)}-*/"))
        for file in sorted(folder.iterdir())
        if file.suffix != ".json"
    }
