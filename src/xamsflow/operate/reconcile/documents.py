"""Compare the run document and its status with the stored data, drivers and jobs."""

from collections.abc import Iterator
from functools import partial

from xamsflow.base.errors import TransientError
from xamsflow.operate.reconcile.disagreement import MOUNTED, Disagreement, is_away
from xamsflow.operate.reconcile.evidence import Evidence, Sources
from xamsflow.operate.reconcile.strax_data import believed
from xamsflow.run import publish
from xamsflow.rundb import ClaimedRun, run_document
from xamsflow.state import layout, owner, receipts
from xamsflow.state.claims import Claim
from xamsflow.state.receipts import Receipt

PERSON = "correct the document by hand"


def no_document(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a run with files here for which there is no run document, or more than one."""
    if evidence.document is None:
        yield Disagreement(
            evidence.run,
            "no run document",
            "the run has no document"
            if not evidence.documents
            else f"the run has {len(evidence.documents)} documents",
            "check rundb.collection; a run number belongs to one document",
        )


def not_understood(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a status that was written neither by this project nor by an older tool."""
    view = evidence.status
    if view.status is None and view.raw is not None:
        yield Disagreement(
            evidence.run,
            "unknown status",
            f"processing_status of the run document is {view.raw!r:.60}",
            f"{PERSON}, or `xamsflow pend {evidence.number}`",
        )


def stranded(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find a run that is claimed by a dead driver and that no job is processing."""
    claimed = evidence.claimed
    if claimed is None or not evidence.stranded or evidence.locked:
        return
    what = f"it is {claimed.status}, but its driver {claimed.owner} is dead"
    if evidence.jobs:
        yield Disagreement(
            evidence.run,
            "driver dead",
            f"{what}; batch job {', '.join(evidence.jobs)} still exists",
            "start the workflow again; it takes over the run and its job",
        )
        return
    yield Disagreement(
        evidence.run,
        "driver dead",
        f"{what}, and it has no job",
        "the run becomes pending again",
        partial(_give_back, sources, claimed),
    )


def done_without_data(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find a run that is done although one of its targets is not stored."""
    # If an older tool wrote the status, that tool's data are done.
    if evidence.document is None or evidence.status.raw != "done":
        return
    told = run_document.targets(evidence.document)
    if told is None:
        return  # not done by this project
    missing = [target for target in told if not _is_stored(target, evidence, sources)]
    if missing:
        away = is_away(sources.processed)
        repair = partial(_set_pending, sources, evidence.number)
        yield Disagreement(
            evidence.run,
            "done without data",
            f"it is done, but no longer stored as published: {', '.join(missing)}",
            MOUNTED if away else "the run becomes pending again",
            None if away else repair,
        )


def stored_yet_not_done(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find a run that has failed or is waiting although all its targets are stored."""
    document, status = evidence.document, evidence.status
    if (
        document is None
        or status.raw != status.status
        or status.status not in ("failed", "pending")
    ):
        return
    if run_document.is_to_be_reprocessed(document):
        return  # the stored data will be made again
    transfer = evidence.transfer
    if transfer is None or transfer.content is None or evidence.live_data is None:
        return
    targets = run_document.wanted_targets(document, sources.settings)
    made = {receipt["data_type"]: receipt for receipt in believed(evidence)}
    if not all(
        target in made and sources.lineage(evidence.run).get(target) == made[target]["lineage_hash"]
        for target in targets
    ):
        return
    yield Disagreement(
        evidence.run,
        "stored, not done",
        f"it is {status.status}, but {', '.join(targets)} and all lower data types are stored",
        "the data are registered in the run document, and the run becomes done",
        partial(_publish, evidence, sources, targets, transfer.content, [made[t] for t in targets]),
    )


def _is_stored(target: str, evidence: Evidence, sources: Sources) -> bool:
    """Return whether a data type is stored in the version that was published."""
    wanted = {
        file.content["lineage_hash"]
        for file in evidence.data_types
        if file.content is not None and file.content["data_type"] == target
    } or {
        entry.get("lineage_hash")
        for entry in evidence.entries_of(sources.host)
        if entry.get("type") == target
    }
    stored = {
        folder.name.lineage_hash
        for folder in evidence.complete.values()
        if folder.name.data_type == target
    }
    return bool(stored & wanted if wanted else stored)


def _give_back(sources: Sources, claimed: ClaimedRun) -> None:
    taken_over = sources.database.take_over({claimed: []}, str(owner.current()))
    if not any(
        sources.database.release(claim, f"its driver died; {_by(sources)}") for claim in taken_over
    ):
        raise _taken(layout.run_id(claimed.number))


def _set_pending(sources: Sources, number: int) -> None:
    if not sources.database.set_pending(number, by=_by(sources)):
        raise _taken(layout.run_id(number))


def _publish(
    evidence: Evidence,
    sources: Sources,
    targets: tuple[str, ...],
    transfer: Receipt,
    made: list[Receipt],
) -> None:
    claim: Claim | None = sources.database.claim_any(evidence.number, str(owner.current()), targets)
    if claim is None:
        raise _taken(evidence.run)
    done = publish.done(transfer, made, sources.host)
    published = publish.tell_done(sources.database, claim, done)
    if published is None:
        raise _taken(evidence.run)
    receipts.write(layout.rundoc_receipt(evidence.run), published)


def _taken(run: str) -> TransientError:
    return TransientError(f"somebody else changed run {run} in the meantime", "try again")


def _by(sources: Sources) -> str:
    return f"reconcile ({sources.by})"
