"""Correction files: quantities that change from run to run, each version in a file of its own.

``config/corrections/<name>.json`` holds one JSON object from run range to value, as
``{"001110-004020": 275000}``; first and last run are both included. A detector file pins a version
by its name. What is pinned becomes part of the lineage as name and checksum, so that data made
with another content are other data; the value of a run is derived from it.
"""

import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from xamsflow import layout
from xamsflow.errors import ConfigurationError

_RANGE = re.compile(r"(\d{6})-(\d{6})", flags=re.ASCII)


def pin(name: str) -> dict[str, str]:
    """Return a correction file's name and checksum, after checking the file.

    Raises ConfigurationError naming the file if it is not there, or no object of run ranges that
    do not overlap.
    """
    _, content = _read(name)
    return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}


def of_run(quantity: Any, run: int) -> Any:
    """Return the value of a quantity for a run.

    `quantity` is what :func:`pin` returned; anything else is a value for all runs. Raises
    ConfigurationError naming run and file if the file has no value for this run, or if it is not
    the one that was pinned.
    """
    if not isinstance(quantity, dict) or "file" not in quantity:
        return quantity
    path, content = _read(quantity["file"])
    if hashlib.sha256(content).hexdigest() != quantity.get("sha256"):
        raise ConfigurationError(
            f"{path} is not the file that was pinned",
            "start again, and give each version a name of its own",
        )
    for first, last, value in _ranges(path, content):
        if first <= run <= last:
            return value
    raise ConfigurationError(
        f"run {run:06d}: {path} has no value for this run",
        "pin a version that covers it in the detector file",
    )


def values(name: str) -> list[Any]:
    """Return all values of a correction file, by ascending run."""
    path, content = _read(name)
    return [value for _, _, value in _ranges(path, content)]


def _read(name: str) -> tuple[Path, bytes]:
    for folder in (Path(), layout.REPOSITORY):
        path = folder / layout.CORRECTIONS / f"{name}.json"
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"cannot read {path} ({error.strerror})") from error
            _ranges(path, content)
            return path, content
    raise ConfigurationError(
        f"correction file {layout.CORRECTIONS / name}.json is missing",
        "correct its name in the detector file, or add it",
    )


def _ranges(path: Path, content: bytes) -> list[tuple[int, int, Any]]:
    try:
        pairs = json.loads(content, object_pairs_hook=_Pairs)
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is no valid JSON ({error})", "restore it from the repository, or correct it"
        ) from error
    if not isinstance(pairs, _Pairs):
        raise ConfigurationError(
            f"{path} must hold one object from run range to value",
            "restore it from the repository, or correct it",
        )
    ranges = []
    for key, value in pairs:
        match = _RANGE.fullmatch(key)
        if match is None or match[1] > match[2]:
            raise ConfigurationError(
                f"{path}: run range is {key!r}, allowed is first and last run as '001110-004020'"
            )
        ranges.append((int(match[1]), int(match[2]), _plain(value)))
    ranges.sort(key=lambda entry: entry[:2])
    for before, after in pairwise(ranges):
        if after[0] <= before[1]:
            raise ConfigurationError(f"{path}: two values for run {after[0]:06d}")
    return ranges


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as read, with keys that are there twice."""


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
