"""Group failed runs by cause, so that each problem is shown once, however many runs it affects."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xamsflow.rundb import RunSummary

_OF_ONE_RUN = re.compile(r"\d+(?:[.:]\d+)*")
"""The parts of a reason that differ from run to run: numbers, times, sizes, chunks."""


@dataclass(frozen=True)
class Cause:
    """Runs that failed in the same way: their numbers, newest first.

    The reason of `newest` is shown for all.
    """

    newest: "RunSummary"
    numbers: list[int]


class Causes:
    """The causes of failed runs, which are added newest first; of each cause, one run is kept."""

    def __init__(self) -> None:
        self._found: dict[tuple[str | None, str | None, str], Cause] = {}

    def add(self, row: "RunSummary") -> None:
        """Add a failed run."""
        words = _OF_ONE_RUN.sub("#", row.reason or "")
        cause = self._found.setdefault((row.failure, row.stage, words), Cause(row, []))
        cause.numbers.append(row.number)

    def most_frequent_first(self) -> list[Cause]:
        """Return all causes."""
        return sorted(self._found.values(), key=lambda one: -len(one.numbers))
