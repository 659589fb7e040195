"""Good runs: criteria in a file, and the list of runs that meet them.

The same criteria and data give the same list anywhere, because it has no time, host or path.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.analysis import runs as run_tables
from xamsflow.base import schema, system_errors, yaml_file
from xamsflow.base.errors import ConfigurationError
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.rundb import run_rows
from xamsflow.state import layout, quantity_table
from xamsflow.state.quantity_table import QuantityTable

if TYPE_CHECKING:
    import pandas as pd

LIVE_FRACTION = "live_fraction"


@dataclass(frozen=True)
class Criteria:
    """Criteria as in a file, checked; `content` has the keys of the file."""

    content: Mapping[str, Any]

    @property
    def runs(self) -> str | None:
        """The runs from which to choose, None for all."""
        return self.content.get("runs")

    def patterns(self, key: str) -> list[str] | None:
        """Return the patterns of a key, None if there is no such criterion."""
        found = self.content.get(key)
        return [found] if isinstance(found, str) else found


@dataclass(frozen=True)
class Run:
    """A run, its live time (s; None: unknown) and why it may not be used, empty for a good run."""

    run_id: str
    start: str | None
    end: str | None
    live_time_s: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class GoodRuns:
    """The good runs and those that are left out, by ascending number."""

    criteria: Criteria
    good: tuple[Run, ...]
    left_out: tuple[Run, ...]

    @property
    def live_time_s(self) -> float:
        """The live time of the good runs for which it is known."""
        return round(sum(run.live_time_s or 0.0 for run in self.good), 6)

    def to_json(self) -> dict[str, Any]:
        """Return the list as plain JSON."""
        return {
            "criteria": dict(self.criteria.content),
            "n_runs": len(self.good),
            "live_time_s": self.live_time_s,
            "runs": [_without_reasons(run) for run in self.good],
            "left_out": {run.run_id: list(run.reasons) for run in self.left_out},
        }


def read_criteria(path: Path | None = None) -> Criteria:
    """Return the criteria of a file.

    None: ``config/good_runs.yaml`` of the working directory, or else of the repository. Raises
    ConfigurationError if the file cannot be read or is wrong.
    """
    places = (path,) if path is not None else _usual_places()
    file = next((place for place in places if place.is_file()), places[-1])
    try:
        content = yaml_file.read(file)
    except OSError as error:
        raise system_errors.cannot("read", file, error) from error
    except (UnicodeDecodeError, yaml_file.Error) as error:
        raise ConfigurationError(f"{file} cannot be read ({error})", "correct it") from error
    return check_criteria(content or {}, str(file))


def check_criteria(content: Any, what: str = "criteria") -> Criteria:
    """Return criteria from plain data; `what` names them in errors.

    Raises ConfigurationError for wrong criteria.
    """
    plain = _with_texts(content)
    schema.check(plain, layout.SCHEMAS / "good_runs.schema.yaml", what)
    for index, interval in enumerate(plain.get("leave_out", ())):
        try:
            begin, end = _time(interval["from"]), _end(interval["to"])
        except ValueError as error:
            raise ConfigurationError(f"{what}: leave_out.{index}: {error}") from error
        if begin >= end:
            raise ConfigurationError(f"{what}: leave_out.{index}: from is not earlier than to")
    return Criteria(plain)


def choose(criteria: Criteria, runs: "pd.DataFrame", table: QuantityTable) -> GoodRuns:
    """Return which runs of a table of runs meet the criteria."""
    rows = sorted(runs.to_dict("records"), key=lambda row: str(row["run_id"]))
    found = [_judged(criteria, row, table) for row in rows]
    return GoodRuns(
        criteria,
        tuple(run for run in found if not run.reasons),
        tuple(run for run in found if run.reasons),
    )


def of_run(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the list for one run, by the usual criteria; None without its run document."""
    if document is None:
        return None
    table = run_tables.table(run_rows.columns([run_rows.of_document(document)]))
    return choose(read_criteria(), table, quantity_table.read()).to_json()


def _usual_places() -> tuple[Path, ...]:
    return layout.GOOD_RUNS, layout.REPOSITORY / layout.GOOD_RUNS


def _judged(criteria: Criteria, row: Mapping[Any, Any], table: QuantityTable) -> Run:
    run: str = row["run_id"]
    return Run(
        run,
        _iso(row["start"]),
        _iso(row["end"]),
        _live_time(run, table),
        (
            *_wrong_words(criteria, row),
            *_wrong_tags(criteria, row["tags"]),
            *_in_interval(criteria, row),
            *_wrong_quantities(criteria, run, table),
        ),
    )


def _wrong_words(criteria: Criteria, row: Mapping[Any, Any]) -> Iterator[str]:
    for key in ("mode", "source", "status", "quality", "health"):
        wanted = criteria.patterns(key)
        if wanted is not None and not run_tables.matches(row[key], wanted):
            yield f"{key} is {row[key]}" if row[key] else f"no {key}"


def _wrong_tags(criteria: Criteria, tags: Sequence[str]) -> Iterator[str]:
    wanted, excluded = criteria.patterns("tags"), criteria.patterns("exclude_tags") or []
    if wanted is not None and not any(run_tables.matches(tag, wanted) for tag in tags):
        yield f"no tag {' or '.join(wanted)}"
    for tag in tags:
        if run_tables.matches(tag, excluded):
            yield f"tag {tag}"


def _in_interval(criteria: Criteria, row: Mapping[Any, Any]) -> Iterator[str]:
    intervals = criteria.content.get("leave_out", ())
    start, end = _moment(row["start"]), _moment(row["end"])
    if start is None or end is None:
        if intervals:
            yield "no start or end, so it may be in an interval to leave out"
        return
    for interval in intervals:
        if start < _end(interval["to"]) and end > _time(interval["from"]):
            yield f"{interval['reason']} ({interval['from']} to {interval['to']})"


def _wrong_quantities(criteria: Criteria, run: str, table: QuantityTable) -> Iterator[str]:
    """Yield the quantities that are outside the limits, or have no value."""
    limits = criteria.content.get("quantities", {})
    if limits and run not in table.rows:
        yield "no quantities"
        return
    for pattern, limit in limits.items():
        names = [name for name in table.names if fnmatchcase(name, pattern)]
        problems = table.problems.get(run, {})
        of_run = [
            name for name in names if name in problems or _value(run, name, table) is not None
        ]
        if not of_run:
            yield f"{pattern}: no such quantity"
        for name in of_run:
            value, unit = _value(run, name, table), table.about[name]["unit"]
            if value is None:
                yield f"{name}: {problems.get(name, 'no number')}"
            elif value < limit.get("min", value):
                yield f"{name} is {_with_unit(value, unit)}, below {limit['min']:g}"
            elif value > limit.get("max", value):
                yield f"{name} is {_with_unit(value, unit)}, above {limit['max']:g}"


def _value(run: str, name: str, table: QuantityTable) -> float | None:
    row, column = table.rows.get(run), table.columns.get(name)
    if row is None or column is None:
        return None
    value = float(table.values[row, column])
    return None if value != value else value  # noqa: PLR0124 - NaN


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()


def _live_time(run: str, table: QuantityTable) -> float | None:
    fraction = _value(run, LIVE_FRACTION, table)
    if fraction is None:
        return None
    row = table.rows[run]
    length = float(table.ends[row] - table.starts[row]) / NS_PER_S
    return round(fraction * length, 6)


def _with_texts(value: Any) -> Any:
    """Return parsed YAML with its dates and times as text."""
    if isinstance(value, dict):
        return {name: _with_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _end(text: str) -> datetime:
    """Return the end of an interval: of a date without a time, the end of the day."""
    return _time(text) + (timedelta() if "T" in text or " " in text else timedelta(days=1))


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _moment(value: Any) -> datetime | None:
    """Return a time of a table, None if it is missing."""
    return None if value is None or value != value else value.to_pydatetime()  # noqa: PLR0124


def _iso(value: Any) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.isoformat()


def _without_reasons(run: Run) -> dict[str, Any]:
    about = asdict(run)
    del about["reasons"]
    return about
