"""Correction files: quantities that change from run to run.

``config/corrections/<name>.json`` holds one JSON object from run range to value; both the first and
the last run are included. A value that was not measured is marked as such::

    {
      "006724-006874": 220000,
      "006875-006999": {"value": 220000, "provenance": "estimated", "why": "as in the runs before"}
    }

The lineage of a run's data includes only the value for that run. Adding ranges for other runs
therefore changes nothing, while changing a value changes the lineage of the runs in its range.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout

_RANGE = re.compile(rf"({layout.RUN_ID_PATTERN})-({layout.RUN_ID_PATTERN})", flags=re.ASCII)


class Provenance(StrEnum):
    """The origin of a value."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    """Taken from other runs, or derived from data that were not taken for this purpose."""
    NOMINAL = "nominal"
    """A round number of the right order of magnitude, or a value of another detector."""


@dataclass(frozen=True)
class Entry:
    """The value of the runs from `first` to `last`; `why` explains a value that is not measured."""

    first: int
    last: int
    value: Any
    provenance: Provenance = Provenance.MEASURED
    why: str = ""


@dataclass(frozen=True)
class ByRun:
    """A quantity that changes from run to run: the entries of a correction file, by run."""

    file: str
    entries: tuple[Entry, ...]

    def entry(self, run: int) -> Entry | None:
        """Return the entry for a run, or None if the file does not cover the run."""
        return next((one for one in self.entries if one.first <= run <= one.last), None)

    def starts(self) -> list[tuple[int, Any]]:
        """Return the first run of each range with its value, in the form that strax expects.

        Runs between the ranges have a :class:`str` as value, which says what is missing.
        """
        missing = f"{layout.CORRECTIONS / self.file}.json has no value for this run"
        result: list[tuple[int, Any]] = [(0, missing)]
        for entry in self.entries:
            if result[-1][0] == entry.first:
                result.pop()
            result += [(entry.first, entry.value), (entry.last + 1, missing)]
        return result


def load(name: str) -> ByRun:
    """Return the contents of a correction file.

    A file in the working directory takes precedence over the repository's. Raises
    ConfigurationError naming the file if it is missing, is not an object of run ranges, or has
    overlapping ranges.
    """
    for folder in (Path(), layout.REPOSITORY):
        path = folder / layout.CORRECTIONS / f"{name}.json"
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"cannot read {path} ({error.strerror})") from error
            return ByRun(name, tuple(_entries(path, content)))
    raise ConfigurationError(
        f"correction file {layout.CORRECTIONS / name}.json is missing",
        "correct its name in the detector file, or add it",
    )


def of_run(quantity: Any, run: int) -> Any:
    """Return the value of a quantity for a run; only a :class:`ByRun` depends on the run.

    Raises ConfigurationError naming the run and the file if the file has no value for this run.
    """
    if not isinstance(quantity, ByRun):
        return quantity
    value = next(value for first, value in reversed(quantity.starts()) if first <= run)
    return of_option(value, run)


def of_option(value: Any, run: int) -> Any:
    """Return the value that strax selected from :meth:`ByRun.starts` for a run.

    Raises ConfigurationError naming the run and the file if there is no value.
    """
    if isinstance(value, str):
        raise ConfigurationError(
            f"run {run:06d}: {value}",
            "add a range of runs to the file, and mark its value if it is a guess",
        )
    return value


def provenances(used: Mapping[str, ByRun], run: int) -> dict[str, dict[str, Any]]:
    """Return the file, provenance and reason of each quantity's value for a run, as plain data."""
    found = {name: (by_run.file, by_run.entry(run)) for name, by_run in used.items()}
    return {
        name: {"file": file, "provenance": entry.provenance.value, "why": entry.why}
        for name, (file, entry) in found.items()
        if entry is not None
    }


def _entries(path: Path, content: bytes) -> list[Entry]:
    try:
        pairs = json.loads(content, object_pairs_hook=_Pairs)
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is not valid JSON ({error})", "correct it or restore it from the repository"
        ) from error
    if not isinstance(pairs, _Pairs):
        raise ConfigurationError(
            f"{path} must hold one object from run range to value",
            "correct it or restore it from the repository",
        )
    entries = []
    for key, value in pairs:
        match = _RANGE.fullmatch(key)
        if match is None or match[1] > match[2]:
            raise ConfigurationError(
                f"{path}: run range is {key!r}, allowed: first and last run, as in '001110-004020'"
            )
        entries.append(_entry(f"{path}: {key}", int(match[1]), int(match[2]), _plain(value)))
    entries.sort(key=lambda entry: (entry.first, entry.last))
    for before, after in pairwise(entries):
        if after.first <= before.last:
            raise ConfigurationError(f"{path}: two values for run {after.first:06d}")
    return entries


def _entry(what: str, first: int, last: int, found: Any) -> Entry:
    if isinstance(found, str):
        raise ConfigurationError(f"{what} is {found!r}, allowed: any value except text")
    if not isinstance(found, dict) or "value" not in found:
        return Entry(first, last, found)
    words = {
        "value": found["value"],
        "provenance": found.get("provenance"),
        "why": found.get("why"),
    }
    if set(found) - set(words):
        raise ConfigurationError(
            f"{what} has {', '.join(sorted(set(found) - set(words)))}, allowed: {', '.join(words)}"
        )
    if words["provenance"] not in list(Provenance):
        raise ConfigurationError(
            f"{what}: provenance is {words['provenance']!r}, allowed: {', '.join(Provenance)}"
        )
    provenance = Provenance(words["provenance"])
    if provenance is not Provenance.MEASURED and not words["why"]:
        raise ConfigurationError(f"{what} is {provenance.value} but lacks the key why")
    return Entry(first, last, found["value"], provenance, words["why"] or "")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as parsed, with its duplicate keys."""


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
