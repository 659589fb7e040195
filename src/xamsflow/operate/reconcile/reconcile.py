"""Compare what the places say about runs, and repair disagreements if asked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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
"""Holds for runs in any state."""

AT_REST: tuple[Check, ...] = (
    # First who says what is not so, while the files still show it.
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
    # Then who does not say what is so.
    live_data.unverified,
    strax_data.data_without_receipt,
    entries.unregistered,
    receipt_files.published_otherwise,
    documents.stored_yet_not_done,
)
"""Only for runs that nobody works on: a running job causes all of this."""

ROUNDS = 4
"""How often a run is looked at again: what one repair made possible the next round finishes."""


@dataclass(frozen=True)
class Outcome:
    """A disagreement, and what became of it.

    `repaired` is None where no repair was asked for; `error` says why one did not succeed.
    """

    disagreement: Disagreement
    repaired: bool | None = None
    error: str | None = None


def reconcile(
    sources: Sources, runs: Iterable[str] | None = None, *, repair: bool = False
) -> Iterator[Outcome]:
    """Yield every disagreement on these runs (None: all that are known), the newest run first.

    Without `repair` nothing is written anywhere. With it each one is repaired under the run's lock
    as soon as it is found; what cannot be repaired is yielded too. Raises TransientError where the
    run database is away, ConfigurationError where it refuses us.
    """
    for evidence in sources.gather(sources.all_runs() if runs is None else set(runs)):
        found = list(_disagreements(evidence, sources))
        if repair and any(one.repair is not None for one in found):
            yield from _mend(evidence.run, sources)
        else:
            yield from (Outcome(one, repaired=False if repair else None) for one in found)


def _disagreements(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    if another := list(receipt_files.of_another_run(evidence, sources)):
        yield from another  # nothing else here is about the run of the document
        return
    checks = ALWAYS if evidence.in_work or evidence.claimed else ALWAYS + AT_REST
    for check in checks:
        yield from check(evidence, sources)


def _mend(run: str, sources: Sources) -> Iterator[Outcome]:
    """Repair a run, under its lock, until nothing is found that could still be repaired."""
    seen: set[Disagreement] = set()
    for _ in range(ROUNDS):
        with lock.at_once(layout.lock_file(sources.processed, run)) as ours:
            # Again, as it may have changed until the lock was ours.
            (evidence,) = sources.gather({run}, locked_by_us=ours)
            found = list(_disagreements(evidence, sources))
            todo = [one for one in found if one.repair is not None and one not in seen]
            for one in todo:
                seen.add(one)
                yield _repaired(one)
        if not todo:
            break
    yield from (Outcome(one, repaired=False) for one in found if one.repair is None)


def _repaired(disagreement: Disagreement) -> Outcome:
    assert disagreement.repair is not None
    try:
        disagreement.repair()
    except XamsflowError as error:
        return Outcome(disagreement, repaired=False, error=str(error))
    return Outcome(disagreement, repaired=True)
