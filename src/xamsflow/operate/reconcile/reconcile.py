"""Compare what the places say about runs, and optionally repair disagreements."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from xamsflow.base.errors import XamsflowError
from xamsflow.operate.reconcile import (
    claims,
    documents,
    entries,
    live_data,
    receipt_files,
    strax_data,
)
from xamsflow.operate.reconcile.disagreement import Disagreement
from xamsflow.operate.reconcile.evidence import Evidence, Sources
from xamsflow.state import layout, lock

Check = Callable[[Evidence, Sources], Iterator[Disagreement]]

ALWAYS: tuple[Check, ...] = (
    documents.no_document,
    documents.not_understood,
    documents.stranded,
    claims.lock_of_nobody,
    claims.job_of_nobody,
    claims.claim_of_nobody,
)
"""Checks for runs in any state."""

AT_REST: tuple[Check, ...] = (
    # First remove false claims, while the files still show that they are false.
    documents.done_without_data,
    receipt_files.damaged,
    live_data.missing,
    live_data.changed,
    live_data.grown_at_the_source,
    strax_data.receipt_without_data,
    strax_data.damaged,
    strax_data.unfinished,
    entries.no_list,
    entries.without_data,
    # Then add what is missing.
    live_data.unverified,
    strax_data.data_without_receipt,
    strax_data.outdated_run_metadata,
    entries.unregistered,
    receipt_files.published_otherwise,
    documents.stored_yet_not_done,
)
"""Checks only for runs that are not being processed: a running job causes all of these states."""

TOGETHER = 2000
"""Maximum number of runs whose evidence is in memory at the same time."""

ROUNDS = 4
"""Maximum number of rounds per run; a repair can make further repairs possible."""

UNCHANGED = "found again after the repair; is another program or person changing it?"


@dataclass(frozen=True)
class Outcome:
    """A disagreement and the result of its repair.

    `repaired` is None if no repair was requested; `error` says why a repair failed.
    """

    disagreement: Disagreement
    repaired: bool | None = None
    error: str | None = None


def reconcile(
    sources: Sources,
    runs: Iterable[str] | None = None,
    *,
    repair: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Outcome]:
    """Yield every disagreement on these runs (None: all known runs), newest run first.

    Without `repair`, nothing is written anywhere. With it, each disagreement is repaired under the
    run's lock as soon as it is found; those that cannot be repaired are also yielded. `progress` is
    called with the number of runs compared so far and of all runs, every TOGETHER runs. Raises
    TransientError if the run database cannot be reached, ConfigurationError if it denies access.
    """
    chosen = sorted(sources.all_runs() if runs is None else set(runs), reverse=True)

    def together() -> Iterator[list[Evidence]]:
        for done in range(0, len(chosen), TOGETHER):
            progress(done, len(chosen))
            yield sources.gather(set(chosen[done : done + TOGETHER]))

    for evidence in chain.from_iterable(together()):
        found = list(_disagreements(evidence, sources))
        if repair and any(one.repair is not None for one in found):
            yield from _repair(evidence.run, sources)
        else:
            yield from (Outcome(one, repaired=False if repair else None) for one in found)


def _disagreements(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    if (error := evidence.unreadable) is not None:
        yield Disagreement(evidence.run, "unreadable", error.what, error.remedy)
        return
    if another := list(receipt_files.of_another_run(evidence, sources)):
        yield from another  # the files belong to another run, so no other check applies
        return
    checks = ALWAYS if evidence.in_work or evidence.claimed else ALWAYS + AT_REST
    for check in checks:
        yield from check(evidence, sources)


def _repair(run: str, sources: Sources) -> Iterator[Outcome]:
    """Repair a run, under its lock, until no disagreement is left that can be repaired.

    A repair counts only if its disagreement is gone when everything is gathered again.
    """
    tried: dict[Disagreement, Outcome] = {}
    unchecked: list[Disagreement] = []
    for round_number in range(ROUNDS + 1):
        with lock.at_once(layout.lock_file(sources.processed, run)) as ours:
            try:
                # Gather again: the run may have changed before we held the lock.
                (evidence,) = sources.gather({run}, locked_by_us=ours)
            except XamsflowError as error:
                yield from (Outcome(one, repaired=False, error=str(error)) for one in unchecked)
                raise
            found = list(_disagreements(evidence, sources))
            tried |= {one: _read_back(tried[one], found) for one in unchecked}
            yield from (tried[one] for one in unchecked)
            unchecked = [one for one in found if one.repair is not None and one not in tried]
            if not unchecked or round_number == ROUNDS:
                break
            tried |= {one: _repaired(one) for one in unchecked}
    for one in found:
        if one.repair is None or one not in tried:
            yield Outcome(one, repaired=False)
        elif tried[one].repaired:
            yield Outcome(one, repaired=False, error=UNCHANGED)


def _repaired(disagreement: Disagreement) -> Outcome:
    assert disagreement.repair is not None
    try:
        disagreement.repair()
    except XamsflowError as error:
        return Outcome(disagreement, repaired=False, error=str(error))
    return Outcome(disagreement, repaired=True)


def _read_back(outcome: Outcome, found: list[Disagreement]) -> Outcome:
    if outcome.repaired and outcome.disagreement in found:
        return replace(outcome, repaired=False, error=UNCHANGED)
    return outcome
