"""The correction-file entry for the electron lifetime that is derived from runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xamsflow.base.errors import XamsflowError
from xamsflow.settings.corrections import ByRun, Entry, Provenance
from xamsflow.state import quantities, run_numbers

QUANTITY = "electron_loss_rate"
"""The quantity of a run, 1/lifetime per ms."""

US_PER_MS = 1000.0

CLEAR = 3.0
"""Errors by which a rate of loss must be above zero: the error of its inverse is symmetric then."""

DIGITS = 4
"""Significant digits of a lifetime in a correction file."""


@dataclass(frozen=True)
class LossRate:
    """The rate, per ms, at which electrons are lost in a run; without `problem` it has an error."""

    number: int
    value: float | None
    error: float | None
    problem: str | None


def of_run(number: int, run_id: str) -> LossRate:
    """Return the rate from the quantities of a run; it is read from the working directory."""
    try:
        found = quantities.read(run_id)
    except XamsflowError as error:
        return LossRate(number, None, None, error.what)
    if found is None:
        return LossRate(number, None, None, "no quantities: `xamsflow quantities --backfill`")
    one = found.quantities.get(QUANTITY)
    if one is None:
        return LossRate(number, None, None, f"no {QUANTITY}: `xamsflow quantities --backfill`")
    if one.value is None or one.problem is not None:
        return LossRate(number, None, None, one.problem or f"no {QUANTITY}")
    if isinstance(one.value, str) or one.error is None or not one.error > 0:
        return LossRate(number, None, None, f"{QUANTITY} has no error")
    return LossRate(number, float(one.value), float(one.error), None)


def mean(runs: Sequence[LossRate]) -> tuple[float, float]:
    """Return the weighted mean of the runs' rates of loss, and its error, per ms.

    Rates that are zero or negative by chance count as well: the mean of the others would be too
    high. If the rates differ by more than their errors, the error is scaled up as the Particle Data
    Group does: by the root of chi-square per degree of freedom. There must be a usable run.
    """
    usable = [(one.value, one.error) for one in runs if one.problem is None]
    rates, errors = np.array(usable, dtype=float).T
    weights = errors**-2
    rate = float(np.average(rates, weights=weights))
    error = float(weights.sum() ** -0.5)
    if len(rates) > 1:
        chi_square = float(np.sum((rates - rate) ** 2 * weights)) / (len(rates) - 1)
        error *= max(chi_square, 1) ** 0.5
    return rate, error


def inverse(rate: float, error: float) -> tuple[float, float] | None:
    """Return the lifetime and its error, us; None if the rate (per ms) is too close to zero."""
    if rate < CLEAR * error:
        return None
    return US_PER_MS / rate, US_PER_MS * error / rate**2


def entry(
    used: Sequence[LossRate],
    found: tuple[float, float],
    by_run: ByRun,
    runs: tuple[int, int] | None,
    date: str,
) -> Entry | None:
    """Return the new entry, in ns; None if the file has no range from which to take its end.

    `used` are the usable runs, ascending, and `found` is the result: the lifetime and its error,
    us. `runs` are the first and the last run of the entry; None:
    from the first run used to the end of the range in which it is now.
    """
    first = used[0].number
    now = by_run.entry(first)
    if runs is None:
        if now is None:
            return None
        runs = first, now.last
    value, error = found
    several = len(used) > 1
    words = " ".join(run_numbers.words(one.number for one in used))
    return Entry(
        *runs,
        round(float(f"{1000 * value:.{DIGITS}g}")),
        Provenance.MEASURED,
        why=f"weighted mean of 1/lifetime of runs {words}" if several else "",
        run=first,
        date=date,
        error=round(float(f"{1000 * error:.2g}")),
    )
