"""The quantities of all runs as arrays, and the verdicts on the runs, read fast.

A file of a run takes most of a millisecond to read, and there are thousands. The arrays of the last
look are kept in :data:`xamsflow.state.layout.QUANTITY_TABLE`; a run is read again if one of its
files has another time or size. That file may be deleted at any time.
"""

import json
import math
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from xamsflow.base.durable import replacing
from xamsflow.base.errors import XamsflowError
from xamsflow.state import health, layout, quantities
from xamsflow.state.health import Health
from xamsflow.state.quantities import Quantities, Quantity

VERSION = 1
"""The version of the file format; files of other versions are rewritten."""

ABOUT = ("unit", "definition", "channel", "by")
"""What a table says about a quantity, from the newest run that has it."""

Stamp: TypeAlias = tuple[int, int, int, int]
"""Time and size of a run's quantities and of the verdict; another stamp means another content."""

Cells: TypeAlias = dict[str, dict[str, str]]
"""Texts by run and quantity: few cells have one."""


@dataclass(frozen=True)
class QuantityTable:
    """One row per run, in ascending order, and one column per quantity, as the newest run has them.

    `starts` and `ends` are in ns since the epoch. `values` and `errors` have the shape (runs,
    names), NaN where there is no number. `texts` has the values that are texts, `problems` why a
    quantity could not be determined, `about` the unit, definition, channel and author of each
    quantity. `verdicts` are empty where there is none; `odd` has what stands out in odd runs, with
    the fields of :class:`xamsflow.state.health.Deviation` and `known`, what people wrote about it.
    `damaged` has the error for each run whose file cannot be read; it has no row.
    """

    run_ids: Sequence[str]
    detectors: Sequence[str]
    modes: Sequence[str]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    names: Sequence[str]
    values: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    texts: Cells
    problems: Cells
    about: Mapping[str, Mapping[str, Any]]
    verdicts: Sequence[str]
    odd: Mapping[str, Sequence[Mapping[str, Any]]]
    damaged: Mapping[str, str]

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each quantity."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each run."""
        return {run: i for i, run in enumerate(self.run_ids)}


def read() -> QuantityTable:
    """Return the quantities of all runs in the working directory.

    If the table cannot be kept, the files are read again the next time.
    """
    stamps = _stamps()
    kept, old_stamps = _kept()
    unchanged = [run for run in kept.run_ids if stamps.get(run) == old_stamps[run]]
    read_now: dict[str, tuple[Quantities, Health | None]] = {}
    damaged: dict[str, str] = {}
    for run in sorted(stamps.keys() - set(unchanged)):
        try:
            found = quantities.read(run)
        except XamsflowError as error:
            damaged[run] = str(error)
            continue
        if found is not None:
            read_now[run] = found, _verdict(run)
    if not read_now and not damaged and len(unchanged) == len(kept.run_ids):
        return kept
    table = _joined(kept, unchanged, read_now, damaged)
    with suppress(XamsflowError, OSError):  # another user's folder, a full disk
        _keep(table, stamps)
    return table


def _stamps() -> dict[str, Stamp]:
    """Return the stamp of each run's file."""
    found: dict[str, Stamp] = {}
    parent = layout.quantities("000000").parent.parent
    with suppress(OSError):  # no folder yet
        for run in os.listdir(parent):  # noqa: PTH208 - a path object per run takes longer
            if layout.is_run_id(run):
                with suppress(OSError):  # no such file
                    found[run] = *_stamp(layout.QUANTITIES, run), 0, 0
                    found[run] = *found[run][:2], *_stamp(layout.HEALTH, run)
    return found


def _stamp(file: str, run: str) -> tuple[int, int]:
    about = os.stat(file.format(run_id=run))  # noqa: PTH116 - as above
    return about.st_mtime_ns, about.st_size


def _verdict(run: str) -> Health | None:
    try:
        return health.read(run)
    except XamsflowError:  # an unreadable verdict must not hide quantities
        return None


def _about(
    kept: QuantityTable,
    unchanged: Sequence[str],
    read_now: Mapping[str, tuple[Quantities, Health | None]],
) -> dict[str, Mapping[str, Any]]:
    """Return what each quantity is, according to the newest run that has it."""
    now: dict[str, str] = {}
    for run in sorted(read_now, reverse=True):
        for name in read_now[run][0].quantities:
            now.setdefault(name, run)
    before = _newest(kept, unchanged)
    is_now = {name: run for name, run in now.items() if run > before.get(name, "")}
    found: dict[str, Mapping[str, Any]] = {
        name: {key: getattr(read_now[run][0].quantities[name], key) for key in ABOUT}
        for name, run in is_now.items()
    }
    return found | {name: kept.about[name] for name in before if name not in is_now}


def _newest(table: QuantityTable, runs: Sequence[str]) -> dict[str, str]:
    """Return the newest of these runs that has a quantity, by its name; those of no run are out.

    A run that has it has a number, a text or a problem.
    """
    rows = [table.rows[run] for run in runs]
    has = np.isfinite(table.values[rows])
    for i, run in enumerate(runs):
        for name in (*table.texts.get(run, ()), *table.problems.get(run, ())):
            has[i, table.columns[name]] = True
    return {
        name: runs[int(np.flatnonzero(column)[-1])]
        for name, column in zip(table.names, has.T, strict=True)
        if column.any()
    }


def _joined(
    kept: QuantityTable,
    unchanged: Sequence[str],
    read_now: Mapping[str, tuple[Quantities, Health | None]],
    damaged: Mapping[str, str],
) -> QuantityTable:
    """Return a table of the unchanged runs of a kept table and the runs that were read now."""
    about = _about(kept, unchanged, read_now)
    names = list(about)
    column = {name: i for i, name in enumerate(names)}
    runs = sorted([*unchanged, *read_now])
    row = {run: i for i, run in enumerate(runs)}
    values = np.full((len(runs), len(names)), np.nan)
    errors = values.copy()
    starts, ends = np.zeros(len(runs), np.int64), np.zeros(len(runs), np.int64)
    detectors, modes, verdicts = ([""] * len(runs) for _ in range(3))

    old = np.array([kept.rows[run] for run in unchanged], int)
    new = np.array([row[run] for run in unchanged], int)
    for name in names:
        if name in kept.columns:
            values[new, column[name]] = kept.values[old, kept.columns[name]]
            errors[new, column[name]] = kept.errors[old, kept.columns[name]]
    starts[new], ends[new] = kept.starts[old], kept.ends[old]
    for i, j in zip(new, old, strict=True):
        detectors[i], modes[i], verdicts[i] = kept.detectors[j], kept.modes[j], kept.verdicts[j]
    texts = {run: kept.texts[run] for run in unchanged if run in kept.texts}
    problems = {run: kept.problems[run] for run in unchanged if run in kept.problems}
    odd = {run: kept.odd[run] for run in unchanged if run in kept.odd}

    for run, (found, verdict) in read_now.items():
        i = row[run]
        detectors[i], modes[i] = found.detector, found.mode
        starts[i], ends[i] = found.start, found.end
        if verdict is not None:
            verdicts[i] = verdict.verdict.value
            if verdict.odd:
                odd[run] = _odd(verdict)
        for name, quantity in found.quantities.items():
            j = column[name]
            values[i, j] = _number(quantity.value)
            errors[i, j] = _number(quantity.error)
            if isinstance(quantity.value, str):
                texts.setdefault(run, {})[name] = quantity.value
            if problem := _problem(quantity, values[i, j]):
                problems.setdefault(run, {})[name] = problem
    return QuantityTable(
        *(runs, detectors, modes, starts, ends, names, values, errors),
        *(texts, problems, about, verdicts, odd, damaged),
    )


def _odd(verdict: Health) -> list[dict[str, Any]]:
    known = {name: note.text for note in verdict.known for name in note.names}
    return [asdict(one) | {"known": known.get(one.name, "")} for one in verdict.odd]


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number else math.nan


def _problem(quantity: Quantity, number: float) -> str:
    """Return why there is no value, empty if there is one."""
    if quantity.problem:
        return str(quantity.problem)
    return "" if isinstance(quantity.value, str) or math.isfinite(number) else "not a number"


# The kept file: arrays and one text as JSON.

_WORDS = (
    *("run_ids", "detectors", "modes", "names", "texts", "problems", "about"),
    *("verdicts", "odd"),
)
_ARRAYS = ("starts", "ends", "values", "errors")


def _empty() -> tuple[QuantityTable, dict[str, Stamp]]:
    none, numbers = np.zeros(0, np.int64), np.zeros((0, 0))
    table = QuantityTable([], [], [], none, none, [], numbers, numbers, {}, {}, {}, [], {}, {})
    return table, {}


def _kept() -> tuple[QuantityTable, dict[str, Stamp]]:
    """Return the kept table and the stamps of its runs; empty if it cannot be used."""
    try:
        with np.load(layout.QUANTITY_TABLE, allow_pickle=False) as file:
            words = json.loads(bytes(file["words"]))
            arrays = {name: file[name] for name in _ARRAYS}
            stamps = file["stamps"].tolist()
        if words.pop("version") != VERSION:
            return _empty()
        table = QuantityTable(**words, **arrays, damaged={})
        return table, dict(zip(table.run_ids, map(tuple, stamps), strict=True))
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return _empty()


def _keep(table: QuantityTable, stamps: Mapping[str, Stamp]) -> None:
    words = {"version": VERSION} | {name: getattr(table, name) for name in _WORDS}
    path: Path = layout.QUANTITY_TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            words=np.frombuffer(json.dumps(words).encode(), np.uint8),
            stamps=_stamp_array(stamps[run] for run in table.run_ids),
            **{name: getattr(table, name) for name in _ARRAYS},
        )


def _stamp_array(stamps: Iterable[Stamp]) -> npt.NDArray[np.int64]:
    return np.array(list(stamps), np.int64).reshape(-1, 4)
