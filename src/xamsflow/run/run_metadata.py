"""What strax knows about a run: a file next to the run's data, in strax's own form.

With it, any strax context whose storage has ``provide_run_metadata=True`` selects runs by mode and
tags, knows when they started, and joins them into superruns.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import text, time
from xamsflow.state import layout, receipts, strax_folder
from xamsflow.state.receipts import Receipt

Metadata = dict[str, Any]


def of(document: Mapping[str, Any], data_type_receipts: Iterable[Receipt] = ()) -> Metadata:
    """Return strax's metadata on the run of a document.

    `start` and `end` are omitted if the document lacks them, and `livetime` (s) if no receipt
    states it.
    """
    number = int(document["number"])
    metadata: Metadata = {
        "name": layout.run_id(number),
        "number": number,
        "mode": run_document.mode(document),
        "source": text(document.get("source")) or "",
        "tags": [{"name": name} for name in rundoc.tag_names(document)],
        "comments": [{"comment": comment} for comment in run_document.comments(document)],
    }
    for name in ("start", "end"):
        if (moment := time(document.get(name))) is not None:
            metadata[name] = moment
    for receipt in sorted(data_type_receipts, key=lambda receipt: str(receipt["data_type"])):
        if (live_time := receipt["quality"].get("live_time_ns")) is not None:
            metadata["livetime"] = live_time / NS_PER_S
    return metadata


def outdated(processed: Path, metadata: Metadata) -> list[str]:
    """Return the fields of a run's metadata that are not in the folder of strax data."""
    return _differing(read(processed, metadata["name"]) or {}, metadata)


def write(processed: Path, metadata: Metadata) -> None:
    """Write a run's metadata to the folder of strax data; other fields that are there stay."""
    name = metadata["name"]
    found = read(processed, name) or {}
    if _differing(found, metadata):
        path = strax_folder.run_metadata_file(processed, name)
        receipts.write(path, rundoc.to_json(found | metadata))


def _differing(found: Metadata, wanted: Metadata) -> list[str]:
    return [name for name, value in wanted.items() if found.get(name) != value]


def read(processed: Path, run: str) -> Metadata | None:
    """Return a run's metadata, None if there are none or they are damaged."""
    try:
        return rundoc.from_json(receipts.read(strax_folder.run_metadata_file(processed, run)))
    except (FileNotFoundError, BadDataError):
        return None
