"""Correction files: quantities that change from run to run.

``config/corrections/<name>.json`` holds one JSON object from run range to value; both the first and
the last run are included. A value that was not measured is marked as such::

    {
      "006724-006874": 220000,
      "006875-006999": {"value": 220000, "provenance": "estimated", "why": "as in the runs before"},
      "007000-007009": {"value": 250000, "error": 4000, "provenance": "measured", "run": 7000,
                        "date": "2026-11-28"}
    }

The lineage of a run's data includes only the value for that run. Adding ranges for other runs
therefore changes nothing, while changing a value changes the lineage of the runs in its range.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout

_RANGE = re.compile(rf"({layout.RUN_ID_PATTERN})-({layout.RUN_ID_PATTERN})")


_WORDS = ("value", "error", "provenance", "run", "date", "why")
"""The keys of an entry."""


class Provenance(StrEnum):
    """The origin of a value."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    """Taken from other runs, or derived from data that were not taken for this purpose."""
    NOMINAL = "nominal"
    """A round number of the right order of magnitude, or a value of another detector."""


@dataclass(frozen=True)
class Entry:
    """The value of the runs from `first` to `last`; `why` explains a value that is not measured.

    `run` is the run from which the value was measured, `date` (ISO 8601) when it was accepted,
    `error` one standard deviation, in the form of the value; all None if unknown.
    """

    first: int
    last: int
    value: Any
    provenance: Provenance = Provenance.MEASURED
    why: str = ""
    run: int | None = None
    date: str | None = None
    error: Any = None

    @property
    def words(self) -> dict[str, Any]:
        """The entry without its range, in the form of the file."""
        words = {
            "value": self.value,
            "error": self.error,
            "provenance": self.provenance.value,
            "run": self.run,
            "date": self.date,
            "why": self.why or None,
        }
        return {name: word for name, word in words.items() if word is not None}


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
    path, content = _read(name)
    return ByRun(name, tuple(_entries(path, content)))


def _read(name: str) -> tuple[Path, bytes]:
    """Return the path and contents of a correction file."""
    for folder in (Path(), layout.REPOSITORY):
        path = folder / layout.CORRECTIONS / f"{name}.json"
        if path.is_file():
            try:
                return path, path.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"cannot read {path} ({error.strerror})") from error
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


def written(name: str, entry: Entry) -> tuple[Path, str]:
    """Return where a correction file with another entry belongs, and its contents.

    This is the file in the working directory, which takes precedence. The entry replaces what the
    file has for its runs; all other entries keep their form. Raises ConfigurationError as
    :func:`load` does.
    """
    path, content = _read(name)
    _entries(path, content)  # raises: it must be correct before
    parts = []
    for key, text in _texts(content.decode("utf-8")):
        first, last = map(int, key.split("-"))
        if first < entry.first:
            parts.append((first, min(last, entry.first - 1), text))
        if last > entry.last:
            parts.append((max(first, entry.last + 1), last, text))
    parts.append((entry.first, entry.last, json.dumps(entry.words, ensure_ascii=False)))
    lines = [
        f'  "{layout.run_id(first)}-{layout.run_id(last)}": {text}'
        for first, last, text in sorted(parts)
    ]
    return layout.CORRECTIONS / f"{name}.json", "{\n" + ",\n".join(lines) + "\n}\n"


def parsed(name: str, content: str) -> ByRun:
    """Return the entries of a correction file with these contents."""
    return ByRun(name, tuple(_entries(Path(name), content.encode())))


def changes(before: ByRun, after: ByRun) -> list[tuple[int, int]]:
    """Return the ranges (first and last run) of runs whose value differs."""
    borders = {one.first for by_run in (before, after) for one in by_run.entries}
    borders |= {one.last + 1 for by_run in (before, after) for one in by_run.entries}
    result = []
    for first, beyond in pairwise(sorted(borders)):
        old, new = before.entry(first), after.entry(first)
        if (old and old.value) != (new and new.value):
            result.append((first, beyond - 1))
    return result


def _texts(content: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a JSON object, and its values as they are written in the file."""
    decoder = json.JSONDecoder()
    at = content.index("{") + 1
    while match := re.compile(r'[\s,]*"([^"]*)"\s*:\s*').match(content, at):
        _, at = decoder.raw_decode(content, match.end())
        yield match[1], content[match.end() : at]


def provenances(used: Mapping[str, ByRun], run: int) -> dict[str, dict[str, Any]]:
    """Return the file, provenance and reason of each quantity's value for a run, as plain data."""
    found = {name: (by_run.file, by_run.entry(run)) for name, by_run in used.items()}
    return {
        name: {"file": file, "provenance": entry.provenance.value, "why": entry.why}
        | ({} if entry.run is None else {"run": entry.run, "date": entry.date})
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
            f"{path} must contain one object that maps run ranges to values",
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
    unknown = set(found) - set(_WORDS)
    if unknown:
        raise ConfigurationError(
            f"{what} has {', '.join(sorted(unknown))}, allowed: {', '.join(_WORDS)}"
        )
    if found.get("provenance") not in list(Provenance):
        raise ConfigurationError(
            f"{what}: provenance is {found.get('provenance')!r}, allowed: {', '.join(Provenance)}"
        )
    provenance = Provenance(found["provenance"])
    if provenance is not Provenance.MEASURED and not found.get("why"):
        raise ConfigurationError(f"{what} is {provenance.value} but lacks the key why")
    run = found.get("run")
    if run is not None and (type(run) is not int or not layout.is_run_number(run)):
        raise ConfigurationError(f"{what}: run is {run!r}, allowed: a run number")
    return Entry(
        first,
        last,
        found["value"],
        provenance,
        found.get("why") or "",
        run,
        found.get("date"),
        found.get("error"),
    )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as parsed, with its duplicate keys."""


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
