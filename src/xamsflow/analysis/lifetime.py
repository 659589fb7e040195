"""The entry of the correction file of electron lifetimes that follows from runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xamsflow.analysis.quantities.estimators import NO_DECAY
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.corrections import ByRun, Entry, Provenance
from xamsflow.state import quantities, run_numbers

QUANTITY = "electron_lifetime"
"""The quantity of a run, in us."""

DIGITS = 4
"""Significant digits of a lifetime in a correction file."""


@dataclass(frozen=True)
class RunLifetime:
    """What a run says about the lifetime, us; without `problem` there are a value and an error."""

    number: int
    value: float | None
    error: float | None
    problem: str | None


def of_run(number: int, run_id: str) -> RunLifetime:
    """Return the lifetime from the quantities of a run; it is read from the working directory."""
    try:
        found = quantities.read(run_id)
    except XamsflowError as error:
        return RunLifetime(number, None, None, error.what)
    if found is None:
        return RunLifetime(number, None, None, "no quantities: `xamsflow quantities --backfill`")
    one = found.quantities.get(QUANTITY)
    if one is None or one.value is None or one.problem is not None:
        return RunLifetime(number, None, None, (one and one.problem) or f"no {QUANTITY}")
    if isinstance(one.value, str) or one.error is None or not one.error > 0 or not one.value > 0:
        return RunLifetime(number, None, None, f"{QUANTITY} has no error")
    return RunLifetime(number, float(one.value), float(one.error), None)


def without_decay(runs: Sequence[RunLifetime]) -> list[int]:
    """Return the runs in which no decay is seen.

    The mean of the others alone would be too short: they are those that fluctuate downward.
    """
    return [one.number for one in runs if (one.problem or "").startswith(NO_DECAY)]


def mean(runs: Sequence[RunLifetime]) -> tuple[float, float]:
    """Return the lifetime from the weighted mean of the runs' rates of loss, and its error, us.

    The rate of loss, 1 / lifetime, is what has a normal distribution. The mean of lifetimes would
    be biased, as runs with too low a value have too small an error. If the values differ by more
    than their errors, the error is scaled up as the Particle Data Group does: by the root of
    chi-square per degree of freedom. There must be a usable run.
    """
    usable = [(one.value, one.error) for one in runs if one.problem is None]
    values, errors = np.array(usable, dtype=float).T
    rates, weights = 1 / values, (values**2 / errors) ** 2
    rate = float(np.average(rates, weights=weights))
    error = float(weights.sum() ** -0.5)
    if len(rates) > 1:
        chi_square = float(np.sum((rates - rate) ** 2 * weights)) / (len(rates) - 1)
        error *= max(chi_square, 1) ** 0.5
    return 1 / rate, error / rate**2


def entry(
    used: Sequence[RunLifetime], by_run: ByRun, runs: tuple[int, int] | None, date: str
) -> Entry | None:
    """Return the new entry, in ns; None if the file has no range from which to take its end.

    `used` are the usable runs, ascending. `runs` are the first and the last run of the entry; None:
    from the first run used to the end of the range in which it is now.
    """
    first = used[0].number
    now = by_run.entry(first)
    if runs is None:
        if now is None:
            return None
        runs = first, now.last
    value, error = mean(used)
    several = len(used) > 1
    words = " ".join(run_numbers.words(one.number for one in used))
    return Entry(
        *runs,
        round(float(f"{1000 * value:.{DIGITS}g}")),
        Provenance.MEASURED,
        why=f"weighted mean of runs {words}" if several else "",
        run=first,
        date=date,
        error=round(float(f"{1000 * error:.2g}")),
    )
