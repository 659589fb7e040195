"""Runs given on the command line: numbers, and ranges of existing runs."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.settings import config
from xamsflow.state import layout, run_numbers
from xamsflow.views import run_files

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

HELP = "run numbers and ranges, e.g. 932 940-950"


@dataclass(frozen=True)
class Documents:
    """Run documents by number, and the server's time; all None without the run database."""

    by_number: Mapping[int, dict[str, Any] | None]
    now: datetime | None

    @property
    def complete(self) -> bool:
        """Whether the run database could be read."""
        return self.now is not None


def numbers(words: Sequence[str], existing: Iterable[int]) -> list[int]:
    """Return the requested runs in ascending order; of a range, only runs that exist.

    Raises ConfigurationError if no runs exist.
    """
    ranges = run_numbers.parse_all(words)
    chosen = run_numbers.chosen(ranges, existing)
    if not chosen:
        raise ConfigurationError(f"no runs exist in {' '.join(words)}")
    return sorted(chosen)


def in_database(words: Sequence[str], database: "RunDatabase") -> list[int]:
    """Return the requested runs in ascending order; of a range, only runs with a run document."""
    ranges = run_numbers.parse_all(words)
    if all(len(part) == 1 for part in ranges):
        return numbers(words, ())
    return numbers(words, (one["number"] for one in database.documents(["number"], ranges)))


def documents(words: Sequence[str], settings: config.Config) -> Documents:
    """Return the run documents of the requested runs.

    If the run database cannot be reached, print why and use the files on disk.
    """
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    run_numbers.parse_all(words)  # report invalid run numbers before connecting
    try:
        with rundb.open_database(settings.rundb) as database:
            now = database.now()
            found = {number: database.get(number) for number in in_database(words, database)}
    except TransientError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return Documents(dict.fromkeys(on_disk(words)), now=None)
    return Documents(found, now)


def on_disk(words: Sequence[str]) -> list[int]:
    """Return the requested runs in ascending order; of a range, only runs with files here."""
    return numbers(words, map(layout.run_number, run_files.runs()))
