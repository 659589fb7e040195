"""The quantities of many runs as a table."""

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xamsflow.base.errors import XamsflowError
from xamsflow.state import quantities
from xamsflow.state.quantities import Quantity

if TYPE_CHECKING:
    import pandas as pd

OF_RUNS = ("run_id", "start", "end", "mode", "tags", "comments")


def table(runs: "pd.DataFrame", *, problems: bool = False) -> "pd.DataFrame":
    """Return a row per run: what is known of the run, then its quantities with their errors.

    `runs` is a table of runs. See :meth:`xamsflow.analysis.site.Site.quantities`.
    """
    import pandas as pd  # noqa: PLC0415 - takes a second

    found = [of_run(run) for run in runs["run_id"]]
    names = list(dict.fromkeys(name for each in found for name in each))
    columns: dict[str, Any] = {}
    for name in names:
        values = [each.get(name) for each in found]
        columns[name] = _column(one and one.value for one in values)
        if any(one is not None and one.error is not None for one in values):
            columns[f"{name}_error"] = _column(one and one.error for one in values)
        if problems:
            words = [(one and one.problem) or "" for one in values]
            columns[f"{name}_problem"] = pd.Series(words, dtype=object)
    about = runs[list(OF_RUNS)].reset_index(drop=True)
    return pd.concat([about, pd.DataFrame(columns, index=about.index)], axis=1)


def _column(values: Iterable[Any]) -> "pd.Series":
    """Return a column of numbers with NaN, or of texts if there is one."""
    import pandas as pd  # noqa: PLC0415 - as above

    plain = [float("nan") if value is None else value for value in values]
    is_text = any(isinstance(value, str) for value in plain)
    return pd.Series(plain, dtype=object if is_text else float)


def of_run(run: str) -> Mapping[str, Quantity]:
    """Return the quantities of a run, none with a warning if its file is damaged."""
    try:
        found = quantities.read(run)
    except XamsflowError as error:
        warnings.warn(str(error), stacklevel=2)
        return {}
    return {} if found is None else found.quantities
