"""The verdict on a run, from its quantities and the reference runs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from xamsflow.analysis.health import comparison
from xamsflow.analysis.health.comparison import Usual
from xamsflow.analysis.health.references import References
from xamsflow.state.health import Deviation, Health, Note, Verdict
from xamsflow.state.quantities import OURS, Quantities, Quantity

DERIVED = {
    "electron_lifetime": "electron_loss_rate",
    "electron_lifetime_2": "electron_loss_rate_2",
}
"""Quantities (µs) that only repeat others, their inverses (1/ms). The electron loss rates are
compared: a run without visible loss has no lifetime, and with few events, lifetimes have a long
tail.
"""

LONG_ENOUGH = 0.5
"""Share of the reference runs' usual length; in a shorter run, a quantity may well be missing."""


@dataclass(frozen=True)
class _Compared:
    """A number of this run and its usual values; `deviation` is in spreads.

    A deviation beyond `certain` is odd; one beyond `limit` is odd if two consecutive runs have it.
    `residuals` are those of the reference runs, `n` is their number.
    """

    value: float
    usual: float
    spread: float
    deviation: float
    n: int
    residuals: NDArray[np.float64]
    limit: float = math.inf
    certain: float = math.inf


def judge(run: Quantities, references: References, before: Health | None, time: str) -> Health:
    """Return the verdict on a run.

    `before` is an earlier verdict on the same run, whose notes are kept. `time` is the current time
    (ISO 8601).
    """
    before = _as_compared_now(before)
    named_by = before.named_by if before else None
    verdict = Health(
        run_id=run.run_id,
        detector=run.detector,
        mode=run.mode,
        start=run.start,
        end=run.end,
        verdict=Verdict.UNKNOWN,
        odd=(),
        known=(),
        reference=str(references),
        references=tuple(one.run_id for one in references.compared),
        limit=None,
        n_judged=0,
        time=time,
        named_by=named_by,
    )
    if named_by is not None:
        reference = f"declared as reference by {named_by}"
        return replace(verdict, verdict=Verdict.USUAL, reference=reference, references=())
    if references.named is None and len(references.runs) < comparison.FEWEST:
        reference = f"{references}; {comparison.FEWEST} are needed"
        return replace(verdict, reference=reference)
    compared = _compared(run, references)
    n_references = max(len(references.runs), comparison.FEWEST)
    limit = comparison.limit(len(compared), n_references)
    found = [*_far(compared), *_missing_or_other(run, references)]
    if not compared and not found:
        reference = f"{references}: no quantity of this run can be compared"
        return replace(verdict, reference=reference)
    previous = _as_compared_now(references.previous)
    dated = [_dated(one, run.run_id, previous, limit) for one in found]
    odd = tuple(
        one
        for one in dated
        if one.since != run.run_id or _is_certain(one, compared) or _is_repeated(one, previous)
    )
    return replace(
        verdict,
        verdict=Verdict.ODD if odd else Verdict.USUAL,
        odd=odd,
        suspects=tuple(one for one in dated if one not in odd),
        known=_known(odd, previous, before),
        limit=limit,
        n_judged=len(compared),
    )


def bands(run: Quantities, references: References) -> dict[str, tuple[float, float, float]]:
    """Return the center, spread and limit by which each quantity of a run is judged.

    A value that is more than the limit, in spreads, away from the center stands out.
    """
    compared = _compared(run, references)
    return {name: (one.usual, one.spread, one.limit) for name, one in compared.items()}


def continues(odd: Deviation, earlier: Deviation, limit: float) -> bool:
    """Return whether a deviation is the same problem as one of an earlier run.

    It is a different problem if the value has changed by more than `limit` spreads since it began.
    """
    if odd.name != earlier.name:
        return False
    began, now = _number(earlier.began), _number(odd.value)
    if began is None or now is None or odd.spread is None:
        return earlier.began == odd.value
    return abs(now - began) <= limit * odd.spread


def _compared(run: Quantities, references: References) -> dict[str, _Compared]:
    """Return the numbers of a run that can be compared, with their limits."""
    found = dict(_numbers(run, references))
    tails = comparison.tails([one.residuals for one in found.values()])
    return {
        name: replace(
            one,
            limit=comparison.limit(len(found), one.n),
            certain=comparison.limit(len(found), one.n, of),
        )
        for (name, one), of in zip(found.items(), tails, strict=True)
    }


def _numbers(run: Quantities, references: References) -> Iterator[tuple[str, _Compared]]:
    for name, quantity in run.quantities.items():
        found, usual = _measured(quantity), _usual(name, quantity, references)
        if name in DERIVED or found is None or usual is None:
            continue
        value, error = found
        spread = float(usual.spread_for(error))
        if spread > 0:
            center = float(usual.center)
            deviation = (value - center) / spread
            yield name, _Compared(value, center, spread, deviation, usual.n, usual.residuals)


def _usual(name: str, like: Quantity, references: References) -> Usual | None:
    """Return the usual values of a number; None if there are too few reference runs."""
    found = _measured_in(references.runs, name, like)
    usual = None
    if len(found) >= comparison.FEWEST:
        values, errors = np.array(found).T
        usual = comparison.of_runs(values, errors, like.unit)
    if references.named is None:
        return usual
    for value, error in _measured_in([references.named], name, like):
        if usual is not None or error > 0:
            return comparison.of_named(value, error, usual, like.unit)
    return None


def _measured_in(
    runs: Sequence[Quantities], name: str, like: Quantity
) -> list[tuple[float, float]]:
    """Return numbers with errors of a quantity, where it is defined in the same way."""
    found = (run.quantities.get(name) for run in runs)
    same = (one for one in found if one and _definition(one) == _definition(like))
    numbers = (_measured(one) for one in same)
    return [number for number in numbers if number is not None]


def _definition(quantity: Quantity) -> tuple[str, str]:
    return quantity.unit, quantity.definition


def _far(compared: Mapping[str, _Compared]) -> Iterator[Deviation]:
    """Yield the numbers that stand out; the run in which each deviation began is not yet known."""
    for name, one in compared.items():
        if abs(one.deviation) > one.limit:
            yield Deviation(
                name, one.value, one.usual, one.spread, one.deviation, since="", began=one.value
            )


def _missing_or_other(run: Quantities, references: References) -> Iterator[Deviation]:
    """Yield the numbers that are missing, and the texts that are unusual."""
    runs = references.compared
    for name, example in runs[0].quantities.items():
        quantity = run.quantities.get(name)
        usual = [one.quantities[name].value for one in runs if name in one.quantities]
        value = quantity.value if quantity is not None else None
        if len(usual) < len(runs) or any(one is None for one in usual):
            continue
        if value is None and example.by == OURS and name not in DERIVED:
            clear = _usual(name, example, references)
            if clear is not None and clear.is_clear and _is_long_enough(run, runs):
                problem = quantity.problem if quantity is not None else "the run has no such value"
                center = float(clear.center)
                yield Deviation(name, None, center, None, None, "", None, problem)
        elif isinstance(value, str) and set(usual) == {usual[0]} and usual[0] != value:
            yield Deviation(name, value, str(usual[0]), None, None, "", value)


def _is_certain(found: Deviation, compared: Mapping[str, _Compared]) -> bool:
    """Return whether a deviation is odd by itself; a missing value or a changed text always is."""
    return found.deviation is None or abs(found.deviation) > compared[found.name].certain


def _is_repeated(found: Deviation, previous: Health | None) -> bool:
    """Return whether the previous run deviates in the same direction."""
    return any(
        found.name == earlier.name
        and found.deviation is not None
        and earlier.deviation is not None
        and found.deviation * earlier.deviation > 0
        for earlier in (previous.suspects if previous is not None else ())
    )


def _is_long_enough(run: Quantities, runs: Sequence[Quantities]) -> bool:
    usual = median(one.end - one.start for one in runs)
    return run.end - run.start >= LONG_ENOUGH * usual


def _dated(odd: Deviation, run: str, previous: Health | None, limit: float) -> Deviation:
    """Return a deviation with the run in which it began."""
    for earlier in previous.odd if previous is not None else ():
        if continues(odd, earlier, limit):
            return replace(odd, since=earlier.since, began=earlier.began)
    return replace(odd, since=run)


def _known(
    odd: Sequence[Deviation], previous: Health | None, before: Health | None
) -> tuple[Note, ...]:
    """Return people's notes on deviations that have not changed since."""
    began = {one.name: one.since for one in odd}
    found: dict[Note, None] = {}
    for verdict in (previous, before):
        for note in verdict.known if verdict is not None else ():
            then = {one.name: one.since for one in verdict.odd} if verdict is not None else {}
            names = tuple(
                name for name in note.names if name in began and began[name] == then.get(name)
            )
            if names:
                found[replace(note, names=names)] = None
    return tuple(found)


def _as_compared_now(verdict: Health | None) -> Health | None:
    """Return a verdict whose deviations of derived quantities are replaced by the compared ones.

    Verdicts of earlier versions contain derived quantities, and people wrote notes on them.
    """
    if verdict is None:
        return None
    return replace(
        verdict,
        odd=tuple(_of_the_inverse(one) for one in verdict.odd),
        suspects=tuple(_of_the_inverse(one) for one in verdict.suspects),
        known=tuple(
            replace(
                note, names=tuple(dict.fromkeys(DERIVED.get(name, name) for name in note.names))
            )
            for note in verdict.known
        ),
    )


def _of_the_inverse(found: Deviation) -> Deviation:
    if found.name not in DERIVED:
        return found
    began, deviation = _number(found.began), found.deviation
    return replace(
        found,
        name=DERIVED[found.name],
        began=1000 / began if began else None,
        deviation=None if deviation is None else -deviation,
    )


def _measured(quantity: Quantity) -> tuple[float, float] | None:
    """Return a number and its error, 0 if it has none."""
    value, error = _number(quantity.value), _number(quantity.error) or 0.0
    return None if value is None else (value, error)


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None
