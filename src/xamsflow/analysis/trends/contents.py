"""What the trends page shows: columns of all runs as small integers, and words."""

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xamsflow import rundb
from xamsflow.analysis import runs as run_tables
from xamsflow.analysis.health import references, verdict
from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import layout, quantities, quantity_table
from xamsflow.state.health import Verdict
from xamsflow.state.quantity_table import QuantityTable
from xamsflow.views import colors
from xamsflow.views.html_page import shown

STRIPS = {
    "event_rate": "Event rate",
    "s2_rate": "S2 rate",
    "noise": "Noise",
    "baseline": "Baseline",
    "spe_area": "Gain monitor: area of single photoelectrons",
    "electron_loss_rate": "Electron loss rate: 1 / lifetime",
    "live_fraction": "Live fraction",
}
"""The quantities that always come first, with their titles."""

FIELDS = ("name", "value", "usual", "deviation", "known", "problem")
"""What the page says about an unusual quantity."""

BAND = ("center", "spread", "limit")

STEPS = 20
"""Steps in the typical error or spread of a column: finer differences mean nothing."""

S = 1_000_000_000


def collect(config: Config) -> dict[str, Any]:
    """Return what the page shows, as plain JSON.

    Runs are in order of time. If the run database cannot be reached, tags and comments come
    from the receipts, and `problem` says so.
    """
    table = quantity_table.read()
    order = np.argsort(table.starts, kind="stable")
    runs = [table.run_ids[i] for i in order]
    notes, problem = _notes(config)
    modes, detectors, tags = _Words(), _Words(), _Words()
    said = [notes.get(run, ((), ())) for run in runs]
    return {
        "made": clock.now().isoformat(),
        "detector": config.detector,
        "problem": problem,
        "damaged": dict(table.damaged),
        "colors": colors.CHANNELS,
        "strips": list(STRIPS.items()),
        "runs": [int(run) for run in runs],
        "starts": (table.starts[order] // S).tolist(),
        "mode": [modes.number(table.modes[i]) for i in order],
        "of": [detectors.number(table.detectors[i]) for i in order],
        "tags": _sparse([tags.number(tag) for tag in of_run] for of_run, _ in said),
        "comments": _sparse([shown(text) for text in of_run] for _, of_run in said),
        "pictures": "".join("01"[_has_picture(run)] for run in runs),
        "modes": modes.found,
        "detectors": detectors.found,
        "tag_names": tags.found,
        "odd": _sparse(_odd(table, run) for run in runs),
        "usual": _usual(table, modes, detectors),
        "quantities": [_quantity(table, name, order) for name in table.names],
        "texts": _sparse(
            {name: shown(text) for name, text in table.texts.get(run, {}).items()} for run in runs
        ),
    }


class _Words:
    """Few different words of many runs, by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        return self._numbers.setdefault(shown(word), len(self._numbers))

    @property
    def found(self) -> list[str]:
        return list(self._numbers)


def _notes(config: Config) -> tuple[dict[str, tuple[Sequence[str], Sequence[str]]], str]:
    """Return the tags and the comments of each run, and why the run database was not read."""
    problem = ""
    try:
        with rundb.open_database(config.rundb) as database:
            columns = database.columns()
    except XamsflowError as error:
        columns, problem = run_tables.on_disk(config.storage.processed, None), str(error)
    said = zip(columns["tags"], columns["comments"], strict=True)
    names = (f"{number:0{layout.RUN_DIGITS}d}" for number in columns["number"].tolist())
    return dict(zip(names, said, strict=True)), problem


def _odd(table: QuantityTable, run: str) -> list[dict[str, Any]]:
    """Return what stands out in a run; texts in it are printable."""
    return [{name: _plain(one[name]) for name in FIELDS} for one in table.odd.get(run, ())]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else shown(value)


def _usual(table: QuantityTable, modes: "_Words", detectors: "_Words") -> dict[int, Any]:
    """Return what is usual now: by detector, mode and quantity, center, spread and limit."""
    found: dict[int, Any] = {}
    judged: set[tuple[str, str]] = set()
    for run, mode, of, found_to_be in reversed(
        list(zip(table.run_ids, table.modes, table.detectors, table.verdicts, strict=True))
    ):
        if (mode, of) in judged or found_to_be not in (Verdict.USUAL, Verdict.ODD):
            continue
        compared = _judged_with(run)
        if compared:
            judged.add((mode, of))
            found.setdefault(detectors.number(of), {})[modes.number(mode)] = compared
    return found


def _judged_with(run: str) -> dict[str, dict[str, float]]:
    """Return what is usual for each quantity of a run, nothing if it cannot be read."""
    try:
        values = quantities.read(run)
    except XamsflowError:
        return {}
    if values is None:
        return {}
    found = verdict.bands(values, references.find(values))
    return {name: dict(zip(BAND, band, strict=True)) for name, band in found.items()}


def _has_picture(run: str) -> bool:
    return os.path.isfile(layout.OVERVIEW.format(run_id=run))  # noqa: PTH113 - thousands of runs


def _sparse(values: Iterable[Any]) -> dict[int, Any]:
    """Return the values that are not empty, by position."""
    return {i: value for i, value in enumerate(values) if value}


def _quantity(table: QuantityTable, name: str, order: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Return a column: values and errors as integers, in steps that its errors justify."""
    about, column = table.about[name], table.columns[name]
    channel = about["channel"]
    values, errors = table.values[order, column], table.errors[order, column]
    step, error_step = _step(values, errors), _step(errors, errors)
    base = float(np.nanmin(values)) if np.isfinite(values).any() else 0.0
    reasons = (of_run[name] for of_run in table.problems.values() if name in of_run)
    return {
        "name": name,
        "kind": name.removesuffix(f"_ch{channel}"),
        "channel": channel,
        **{key: shown(str(about[key])) for key in ("unit", "definition", "by")},
        "base": base,
        "step": step,
        "values": _integers(_steps(values - base, step)),
        "error_step": error_step,
        "errors": _integers(_steps(errors, error_step)),
        "reasons": _counted(reasons),
    }


def _step(values: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> float:
    """Return the step in which values are written: a power of ten, far below their errors.

    Without errors, far below what the values differ by.
    """
    positive = errors[errors > 0]
    finite = values[np.isfinite(values)]
    scale = float(np.median(positive)) if positive.size else _spread(finite)
    return 10.0 ** math.floor(math.log10(scale / STEPS)) if scale > 0 else 1e-3


def _spread(values: npt.NDArray[np.float64]) -> float:
    if not values.size:
        return 0.0
    low, high = np.quantile(values, [0.05, 0.95])
    return float(high - low) or float(np.ptp(values)) or abs(float(values[0]))


def _steps(values: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return values / step


def _integers(values: npt.NDArray[np.float64]) -> list[int | None]:
    """Return rounded values, None for what is not finite."""
    return [int(value) if math.isfinite(value) else None for value in np.round(values).tolist()]


def _counted(reasons: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[shown(reason)] = counts.get(shown(reason), 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])[:5]
