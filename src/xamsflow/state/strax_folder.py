"""A data type as strax stored it: a folder, checked against its metadata without strax."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.state import layout

TEMPORARY = "_temp"
"""Suffix of the folder into which strax writes until it has written all chunks."""

NAME = re.compile(
    rf"(?P<run>{layout.RUN_ID_PATTERN})-(?P<data_type>[A-Za-z0-9_]+)-(?P<lineage_hash>[a-z0-9]+)"
    rf"(?P<temporary>{TEMPORARY})?",
    flags=re.ASCII,
)


@dataclass(frozen=True)
class Name:
    """The parts of a strax folder's name."""

    run: str
    data_type: str
    lineage_hash: str
    temporary: bool


def parse_name(name: str) -> Name | None:
    """Return the parts of a folder's name, or None if it is not a strax folder."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    return Name(found["run"], found["data_type"], found["lineage_hash"], bool(found["temporary"]))


def check(path: Path) -> dict[str, Any]:
    """Check the sizes of all files in a folder; return the facts on its data for a receipt.

    The keys are ``lineage_hash``, ``path``, ``n_items``, ``n_chunks``, ``bytes``, ``start`` and
    ``end`` (ns since the epoch), ``lineage`` and ``quality``. Raises BadDataError naming the first
    file or chunk that is missing or differs from strax's metadata.
    """
    name = parse_name(path.name)
    run = path.name.partition("-")[0]
    metadata = read_metadata(run, path)
    try:
        if name is not None and metadata["lineage_hash"] != name.lineage_hash:
            raise damaged(run, f"{path} contains data of the lineage {metadata['lineage_hash']}")
        chunks = metadata["chunks"]
        if "exception" in metadata or "writing_ended" not in metadata or not chunks:
            raise damaged(run, f"{path} is not complete")
        return {
            "lineage_hash": metadata["lineage_hash"],
            "path": str(path),
            "n_items": sum(chunk["n"] for chunk in chunks),
            "n_chunks": len(chunks),
            "bytes": _size(run, path, chunks),
            "start": metadata["start"],
            "end": metadata["end"],
            "lineage": metadata["lineage"],
            "quality": metadata.get("quality", {}),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(
            run, f"the metadata of {path} were not written by strax ({error!r})"
        ) from error


def metadata_file(path: Path) -> Path:
    """Return the file with strax's metadata in a folder."""
    return path / f"{path.name.partition('-')[2]}-metadata.json"


def run_metadata_file(processed: Path, run: str) -> Path:
    """Return the file with strax's metadata on a run, which lies beside the folders of its data."""
    return processed / f"{run}-metadata.json"


def read_metadata(run: str, path: Path) -> dict[str, Any]:
    """Return strax's metadata in a folder; raises BadDataError if they are missing or damaged."""
    file = metadata_file(path)
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise damaged(run, f"{file} is missing") from error
    except NotADirectoryError as error:
        raise damaged(run, f"{path} is not a folder") from error
    except ValueError as error:
        raise damaged(run, f"{file} is not valid JSON ({error})") from error
    if not isinstance(metadata, dict):
        raise damaged(run, f"{file} is not a JSON object")
    return metadata


def _size(run: str, path: Path, chunks: list[Mapping[str, Any]]) -> int:
    """Return the total bytes of all chunks, which must be contiguous and complete."""
    size = 0
    for number, chunk in enumerate(chunks):
        if chunk["chunk_i"] != number or (number and chunk["start"] != chunks[number - 1]["end"]):
            raise damaged(run, f"chunk {number} of {path} does not follow the previous chunk")
        if chunk["n"]:
            size += _file_size(run, path / chunk["filename"], chunk.get("filesize"))
    return size


def _file_size(run: str, file: Path, expected: int | None) -> int:
    try:
        size = file.stat().st_size
    except FileNotFoundError as error:
        raise damaged(run, f"{file} is missing") from error
    if not size or (expected is not None and size != expected):
        raise damaged(run, f"{file} has {size} bytes, but was written with {expected or 'some'}")
    return size


def damaged(run: str, what: str) -> BadDataError:
    """Return the error for data that are not as strax wrote them."""
    return BadDataError(
        f"run {run}: {what}",
        "`xamsflow reconcile --repair` moves its folder aside; then process the run again",
    )
