"""The comparison of runs: by run and overall, as tables and as plain JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.analysis.comparison import pair as pairs
from xamsflow.analysis.comparison import settings, things
from xamsflow.analysis.comparison.pair import Pair
from xamsflow.analysis.comparison.things import Things
from xamsflow.base import clock
from xamsflow.base.errors import ConfigurationError, XamsflowError

if TYPE_CHECKING:
    import pandas as pd

VALUES = 1_000_000
"""Maximum number of values of a quantity kept for all runs together, for medians and pictures."""

FEWEST = 200
"""Minimum number of values of a quantity kept per run."""


@dataclass(frozen=True)
class Run:
    """The comparison of one run: its two lineages, changes by kind, and row counts by data type.

    `things` has only counts, no values; `summaries` has medians and spreads by kind and quantity.
    """

    pair: Pair
    things: dict[str, Things]
    summaries: dict[str, dict[str, dict[str, Any]]]
    n_rows: dict[str, tuple[int, int]]


@dataclass
class Comparison:
    """The comparison of two lineages of runs.

    `overall` has the changes in all runs together, by kind. `settings` describes each difference
    in options and plugins, with the runs concerned. `problems` gives the reasons why runs could
    not be compared.
    """

    time: str
    runs: list[Run] = field(default_factory=list)
    overall: dict[str, Things] = field(default_factory=dict)
    settings: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, XamsflowError] = field(default_factory=dict)

    def by_run(self) -> "pd.DataFrame":
        """Return a table with one row per run and kind: counts, medians and spreads.

        The columns of a quantity are ``<name>_median``, ``<name>_spread`` and ``<name>_same``, the
        share of matched rows that have not changed.
        """
        import pandas as pd  # noqa: PLC0415 - takes its time

        return pd.DataFrame(
            {"run_id": run.pair.run_id} | row
            for run in self.runs
            for row in _rows(run.things, run.summaries)
        )

    def total(self) -> "pd.DataFrame":
        """Return a table like :meth:`by_run` for all runs together, without ``run_id``."""
        import pandas as pd  # noqa: PLC0415 - takes its time

        return pd.DataFrame(_rows(self.overall, self.summaries()))

    def summaries(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return medians and spreads of all runs together, by kind of thing and quantity."""
        return _summaries(self.overall)

    def n_rows(self) -> dict[str, tuple[int, int]]:
        """Return the old and the new number of rows of all runs together, by data type."""
        found: dict[str, tuple[int, int]] = {}
        for run in self.runs:
            for name, (old, new) in run.n_rows.items():
                before = found.get(name, (0, 0))
                found[name] = before[0] + old, before[1] + new
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything except individual values, ready for JSON."""
        return {
            "time": self.time,
            "settings": [{"difference": one, "runs": runs} for one, runs in self.settings.items()],
            "overall": _to_json(self.overall, self.summaries(), self.n_rows()),
            "runs": [
                {"run_id": run.pair.run_id, "old": dict(run.pair.old), "new": dict(run.pair.new)}
                | _to_json(run.things, run.summaries, run.n_rows)
                for run in self.runs
            ],
            "problems": {run: str(error) for run, error in self.problems.items()},
        }

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.runs)} runs>\n{self.total().T.to_string(header=False)}"

    def _repr_html_(self) -> str:
        html: str = self.total().T.to_html(header=False)
        return html


def compare(
    processed: Path, runs: Sequence[str], old: str | None = None, new: str | None = None
) -> Comparison:
    """Compare two lineages of runs; see :func:`xamsflow.analysis.comparison.pair.choose`.

    Raises the error of the first run if none of them can be compared.
    """
    if not runs:
        raise ConfigurationError("no runs to compare", "give run numbers or ranges")
    at_most = max(FEWEST, VALUES // len(runs))
    found = Comparison(clock.now().isoformat(timespec="seconds"))
    for run in runs:
        try:
            _add(found, pairs.choose(processed, run, old, new), at_most)
        except XamsflowError as error:
            found.problems[run] = error
    if not found.runs:
        raise found.problems[runs[0]]
    return found


def _add(found: Comparison, pair: Pair, at_most: int) -> None:
    of_run = things.compare(pair, at_most)
    n_rows = things.n_rows(pair)
    differences = settings.differences(pair)
    run = Run(pair, {}, _summaries(of_run), n_rows)
    for kind, one in of_run.items():
        found.overall.setdefault(kind, Things()).add(one)
        for changes in one.changes.values():  # they are kept for all runs together
            changes.before, changes.change = [], []
        run.things[kind] = one
    for difference in differences:
        found.settings.setdefault(difference, []).append(pair.run_id)
    found.runs.append(run)


def _summaries(of: dict[str, Things]) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        kind: {name: changes.summary() for name, changes in one.changes.items()}
        for kind, one in of.items()
    }


def _rows(
    of: dict[str, Things], summaries: dict[str, dict[str, dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    for kind, one in of.items():
        row: dict[str, Any] = {"kind": kind} | one.counts()
        for name, summary in summaries[kind].items():
            column = name.replace(" ", "_")
            row[f"{column}_median"] = summary["median"]
            row[f"{column}_spread"] = summary["spread"]
            row[f"{column}_same"] = summary["n_same"] / summary["n"] if summary["n"] else None
        yield row


def _to_json(
    of: dict[str, Things],
    summaries: dict[str, dict[str, dict[str, Any]]],
    n_rows: dict[str, tuple[int, int]],
) -> dict[str, Any]:
    return {
        "kinds": {
            kind: one.counts()
            | {
                "classes": _classes(one.classes.items()),
                "changes": summaries[kind],
            }
            for kind, one in of.items()
        },
        "rows": {name: {"old": old, "new": new} for name, (old, new) in n_rows.items()},
    }


def _classes(found: Iterable[tuple[tuple[str, str], int]]) -> list[dict[str, Any]]:
    return [{"old": old, "new": new, "n": n} for (old, new), n in sorted(found)]
