"""The quantities of many runs as a table."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.quantities.definition import RESERVED
from xamsflow.state import quantity_table

if TYPE_CHECKING:
    import pandas as pd


def table(runs: "pd.DataFrame", *, problems: bool = False) -> "pd.DataFrame":
    """Return a row per run: what is known of the run, then its quantities with their errors.

    `runs` is a table of runs; a warning names those whose files are damaged. See
    :meth:`xamsflow.analysis.site.Site.quantities`.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    known = quantity_table.read()
    wanted = runs["run_id"].tolist()
    for run in sorted(known.damaged.keys() & set(wanted)):
        warnings.warn(known.damaged[run], stacklevel=2)
    place = np.array([known.rows.get(run, -1) for run in wanted], int)
    texts, reasons = _by_name(known.texts, wanted), _by_name(known.problems, wanted)

    def numbers(of: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
        found = np.full(len(wanted), np.nan)
        found[place >= 0] = of[place[place >= 0], known.columns[name]]
        return found

    columns: dict[str, Any] = {}
    for name in known.names:
        values, errors = numbers(known.values, name), numbers(known.errors, name)
        if np.isnan(values).all() and name not in texts and name not in reasons:
            continue  # none of these runs has it
        columns[name] = _with_words(values, texts.get(name))
        if np.isfinite(errors).any():
            columns[f"{name}_error"] = errors
        if problems:
            words = reasons.get(name, {})
            said = [words.get(i, "") for i in range(len(wanted))]
            columns[f"{name}_problem"] = pd.Series(said, dtype=object)
    about = runs[list(RESERVED)].reset_index(drop=True)
    return pd.concat([about, pd.DataFrame(columns, index=about.index)], axis=1)


def _by_name(
    cells: Mapping[str, Mapping[str, str]], runs: Sequence[str]
) -> dict[str, dict[int, str]]:
    """Return the texts of each quantity by the position of the run."""
    found: dict[str, dict[int, str]] = {}
    for i, run in enumerate(runs):
        for name, text in cells.get(run, {}).items():
            found.setdefault(name, {})[i] = text
    return found


def _with_words(values: npt.NDArray[np.float64], words: Mapping[int, str] | None) -> Any:
    """Return a column of numbers with NaN, or of any values if some are texts."""
    if words is None:
        return values
    mixed = values.astype(object)
    for i, text in words.items():
        mixed[i] = text
    return mixed
