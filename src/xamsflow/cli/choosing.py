"""Runs given on the command line: numbers, and ranges of existing runs."""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.settings import config
from xamsflow.state import layout, run_numbers
from xamsflow.views import run_files

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

HELP = "run numbers and ranges, e.g. 932 940-950"

SHOWN = 10
"""Maximum number of runs and ranges that are listed."""

_Found = TypeVar("_Found", bound=Collection[int])


@dataclass(frozen=True)
class Documents:
    """Run documents by number, and the server's time; all None without the run database."""

    by_number: Mapping[int, dict[str, Any] | None]
    now: datetime | None

    @property
    def complete(self) -> bool:
        """Whether the run database could be read."""
        return self.now is not None


def path(text: str) -> Path:
    """Return a path from the command line, relative to where it was typed.

    This happens during parsing, before the command changes to its working directory.
    """
    return Path(text).expanduser().absolute()


def numbers(words: Sequence[str], existing: Callable[[], Iterable[int]], where: str) -> list[int]:
    """Return the requested runs in ascending order; ranges contribute only runs that exist.

    `existing` is called only if there is a range; errors mention `where` it looks. The other
    numbers of a range are reported. Raises ConfigurationError if nothing is left.
    """
    ranges = run_numbers.parse_all(words)
    single = run_numbers.single(ranges)
    known = set() if len(single) == len(set(ranges)) else set(existing())
    return sorted(_told(words, run_numbers.chosen(ranges, known), where))


def in_database(
    words: Sequence[str], database: "RunDatabase", fields: Iterable[str] | None = None
) -> dict[int, dict[str, Any]]:
    """Return the run documents of the requested runs by ascending number, with one query.

    If `fields` is None, the documents are complete; without `words`, all runs are returned.
    Numbers of a range that have no run document are reported. Raises ConfigurationError for an
    unknown single run, for a run with several documents, and if nothing is left.
    """
    ranges = run_numbers.parse_all(words)
    found: dict[int, dict[str, Any]] = {}
    for document in database.documents(fields, ranges or None):
        if document["number"] in found:
            database.get(document["number"])  # raises: the run exists twice
        found[document["number"]] = document
    for number in sorted(run_numbers.single(ranges) - found.keys()):
        database.get(number)  # raises: the run is unknown; names similar ones
    _told(words, found, "in the run database")
    return dict(sorted(found.items()))


def tell_missing(words: Sequence[str], existing: Collection[int], where: str) -> None:
    """Report the numbers in ranges that do not exist."""
    missing = run_numbers.missing(run_numbers.parse_all(words), existing)
    if missing:
        print(f"xamsflow: runs not {where}: {named(missing)}", file=sys.stderr)


def named(runs: Iterable[int]) -> str:
    """Return runs as numbers and ranges, at most SHOWN of them."""
    words = run_numbers.words(runs)
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return f"{' '.join(words[:SHOWN])}{more}"


def _told(words: Sequence[str], found: _Found, where: str) -> _Found:
    if words and not found:
        raise ConfigurationError(f"none of the runs {' '.join(words)} is {where}")
    tell_missing(words, found, where)
    return found


def documents(words: Sequence[str], settings: config.Config) -> Documents:
    """Return the run documents of the requested runs.

    If the run database cannot be reached, print why and use the files on disk.
    """
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    run_numbers.parse_all(words)  # report invalid run numbers before connecting
    try:
        with rundb.open_database(settings.rundb) as database:
            found = in_database(words, database)
            for document in found.values():
                del document["now"]  # the time of the query; the rest is as stored
            return Documents(found, database.now())
    except TransientError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return Documents(dict.fromkeys(on_disk(words)), now=None)


def on_disk(words: Sequence[str]) -> list[int]:
    """Return the requested runs in ascending order; ranges contribute only runs with files here."""
    return numbers(words, lambda: map(layout.run_number, run_files.runs()), "on this disk")
