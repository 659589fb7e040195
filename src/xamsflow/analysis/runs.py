"""The table of runs, and the selection from it."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from xamsflow.base.errors import ConfigurationError, did_you_mean
from xamsflow.redax import findings
from xamsflow.run import run_metadata
from xamsflow.rundb import run_rows
from xamsflow.rundb.status import Status
from xamsflow.state import health, layout, run_numbers
from xamsflow.views import reconstructed, run_files

if TYPE_CHECKING:
    import pandas as pd

Runs: TypeAlias = "int | str | Iterable[int | str] | pd.DataFrame | None"
"""Runs as people give them: a number, a word such as ``"2241-2243"``, several of these, or a table
with the column ``run_id``; None for all runs."""

Patterns: TypeAlias = "str | Sequence[str] | None"
"""One or several patterns of the shell, such as ``*Cs137*``; None for anything."""


RUN_ID = "run_id"

WORDS = {
    "status": [*map(str, Status), "unknown"],
    "quality": [*map(str, findings.Verdict)],
    "health": [*map(str, health.Verdict)],
}
"""The words that may be in some columns of the table of runs."""

LATEST_MS = 9_223_372_036_854
"""The last time that pandas can hold, in ms since the epoch: the year 2262."""


def ranges(runs: Runs) -> tuple[range, ...] | None:
    """Return the selected run numbers, None for all.

    Raises ConfigurationError for what is not a run.
    """
    if runs is None:
        return None
    if isinstance(runs, str):
        return run_numbers.parse_all(runs.replace(",", " ").split())
    words: Any = runs
    if hasattr(runs, "columns"):
        if RUN_ID not in words.columns:
            raise ConfigurationError(
                "the table of runs has no column run_id", "give what site.runs() returns"
            )
        words = words[RUN_ID].unique()
    elif not isinstance(runs, Iterable):
        words = [runs]
    return run_numbers.parse_all(map(str, words))


def table(known: run_rows.Columns) -> "pd.DataFrame":
    """Return a table of runs, newest first, from columns of :mod:`xamsflow.rundb.run_rows`.

    `start` and `end` are in UTC, `length_s` in s; tags and comments are tuples.
    """
    import numpy as np  # noqa: PLC0415 - `import xamsflow` is fast
    import pandas as pd  # noqa: PLC0415 - takes a second

    names = [f"{number:0{layout.RUN_DIGITS}d}" for number in known["number"].tolist()]
    # pandas would otherwise inspect each value to find its type.
    columns: dict[str, Any] = {RUN_ID: np.array(names, dtype=object), **known}
    for name in ("start", "end"):
        times = np.where(np.abs(known[name]) > LATEST_MS, run_rows.NO_TIME, known[name])
        columns[name] = pd.DatetimeIndex(times.astype("M8[ms]").astype("M8[ns]"), tz="UTC")
    runs = pd.DataFrame(columns, copy=False)
    length = (runs["end"] - runs["start"]).dt.total_seconds()
    runs.insert(runs.columns.get_loc("end") + 1, "length_s", length)
    return runs.sort_values("number", ascending=False, kind="stable", ignore_index=True)


def select(
    runs: "pd.DataFrame",
    *,
    patterns: Mapping[str, Patterns],
    tags: Patterns,
    exclude_tags: Patterns,
) -> "pd.DataFrame":
    """Return the runs whose columns match `patterns` and that have the right tags.

    A run needs a tag that matches one of `tags`, and none that matches `exclude_tags`. Raises
    ConfigurationError for a pattern that can match no status, quality or health.
    """
    for name, wanted in patterns.items():
        if wanted is not None:
            values = runs[name]
            _check_words(name, wanted, values.unique())
            found = {value for value in values.unique() if matches(value, wanted)}
            runs = runs[values.isin(found)]
    if tags is not None:
        runs = runs[[any(matches(tag, tags) for tag in has) for has in runs["tags"]]]
    if exclude_tags is not None:
        runs = runs[[not any(matches(tag, exclude_tags) for tag in has) for has in runs["tags"]]]
    return runs.reset_index(drop=True)


def on_disk(processed: Path, numbers: Sequence[range] | None) -> run_rows.Columns:
    """Return facts on the runs with receipts or strax data, without the run database.

    Receipts are read from the working directory.
    """
    names = set(run_files.runs()) | _stored(processed)
    wanted = [
        run
        for run in names
        if numbers is None or any(layout.run_number(run) in part for part in numbers)
    ]
    return run_rows.columns(run_rows.of_document(_document(processed, run)) for run in wanted)


def _stored(processed: Path) -> set[str]:
    if not processed.is_dir():
        return set()
    names = (path.name.partition("-")[0] for path in processed.iterdir())
    return {name for name in names if layout.is_run_id(name)}


def _document(processed: Path, run: str) -> dict[str, Any]:
    """Return what the files say about a run: its receipts, and the metadata beside its data."""
    try:
        document = reconstructed.document(run) if run_files.receipts_of(run) else {}
    except reconstructed.BROKEN:
        document = {}
    metadata = run_metadata.read(processed, run) or {}
    return document | metadata | {"number": layout.run_number(run)}


def _check_words(name: str, wanted: str | Sequence[str], values: Iterable[str]) -> None:
    if name not in WORDS:
        return
    known = {"", *WORDS[name], *values}
    for pattern in [wanted] if isinstance(wanted, str) else wanted:
        if not any(fnmatchcase(word, pattern) for word in known):
            raise ConfigurationError(
                f"no {name} is {pattern!r}{did_you_mean(pattern, WORDS[name])}",
                f"allowed: {', '.join(WORDS[name])}",
            )


def matches(value: str, patterns: str | Sequence[str]) -> bool:
    """Return whether a text matches one of some patterns of the shell."""
    wanted = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(value, pattern) for pattern in wanted)
