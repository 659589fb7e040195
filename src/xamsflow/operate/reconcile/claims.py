"""Find orphaned claims, locks and batch jobs."""

from collections.abc import Iterator
from functools import partial

from xamsflow.operate.reconcile.disagreement import Disagreement, set_aside
from xamsflow.operate.reconcile.evidence import Evidence, Sources


def claim_of_nobody(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a claim file without a matching claim in the run document."""
    file, claimed = evidence.claim_file, evidence.claimed
    if file is None or evidence.in_work:
        return
    told = (file.content or {}).get("claim", {})
    if (
        claimed is not None
        and told.get("owner") == claimed.owner
        and told.get("attempt") == claimed.attempt
    ):
        return  # the next run of the driver takes over both
    yield Disagreement(
        evidence.run,
        "orphaned claim",
        file.damage or f"{file.path} names {told.get('owner')}, which does not own the run",
        "the file is set aside",
        partial(set_aside, file.path),
    )


def lock_of_nobody(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a run that is being processed although no living driver has claimed it."""
    if evidence.locked and (evidence.claimed is None or evidence.stranded):
        yield Disagreement(
            evidence.run,
            "orphaned lock",
            "a job is processing it, but no living driver has claimed it",
            "wait until the job ends, then compare again; `fuser` on the lock file finds it",
        )


def job_of_nobody(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a batch job of a run that no driver has claimed."""
    if evidence.jobs and evidence.claimed is None and not evidence.locked:
        yield Disagreement(
            evidence.run,
            "orphaned batch job",
            f"batch job {', '.join(evidence.jobs)} exists, but no driver has claimed the run",
            "the next driver that processes the run adopts the job; otherwise cancel it in the "
            "batch system",
        )
