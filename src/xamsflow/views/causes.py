"""Group failed runs by cause, so that each problem is shown once, however many runs it affects."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xamsflow.rundb import RunSummary

_OF_ONE_RUN = re.compile(r"\d+(?:[.:]\d+)*")
"""The parts of a reason that differ from run to run: numbers, times, sizes, chunks."""


@dataclass(frozen=True)
class Cause:
    """Runs that failed in the same way, newest first."""

    runs: "Sequence[RunSummary]"

    @property
    def newest(self) -> "RunSummary":
        """The run whose reason is shown for all."""
        return self.runs[0]


def of(failed: "Iterable[RunSummary]") -> list[Cause]:
    """Return the causes of failed runs (given newest first), the most frequent cause first."""
    groups: dict[tuple[str | None, str | None, str], list[RunSummary]] = {}
    for row in failed:
        words = _OF_ONE_RUN.sub("#", row.reason or "")
        groups.setdefault((row.failure, row.stage, words), []).append(row)
    return sorted((Cause(rows) for rows in groups.values()), key=lambda one: -len(one.runs))
