"""Find receipts that are invalid, whatever they describe."""

from collections.abc import Iterator
from functools import partial

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.operate.reconcile.disagreement import Disagreement, set_aside
from xamsflow.operate.reconcile.evidence import Evidence, Sources
from xamsflow.rundb import identity


def damaged(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find receipts that are truncated, incomplete, or from another run."""
    for receipt in (evidence.transfer, *evidence.data_types, evidence.published):
        if receipt is not None and receipt.damage is not None:
            yield Disagreement(
                evidence.run,
                "damaged receipt",
                receipt.damage,
                "it is set aside",
                partial(set_aside, receipt.path),
            )


def of_another_run(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find receipts of a different run with the same number, as in another collection."""
    if evidence.transfer is None or evidence.transfer.content is None or evidence.document is None:
        return
    settings = sources.settings
    try:
        wanted = identity.of_document(evidence.document, settings.rundb, settings.daq)
        identity.check_receipt(evidence.transfer.content, wanted)
    except (ConfigurationError, BadDataError) as error:
        yield Disagreement(evidence.run, "another run's receipts", error.what, error.remedy)


def published_otherwise(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find a published outcome that does not agree with the run document."""
    published, document = evidence.published, evidence.document
    if published is None or published.content is None or document is None:
        return
    status = evidence.status.status
    known = {(entry.get("type"), entry.get("location")) for entry in evidence.entries}
    on_disk = {str(path) for path in evidence.complete}
    if evidence.live_data is not None and evidence.transfer is not None:
        on_disk.add(str(sources.live_data))
    lost = [
        entry["type"]
        for entry in published.content["data"]
        if (entry["type"], entry["location"]) not in known and entry["location"] not in on_disk
    ]
    if status in ("done", "pending") and not lost:
        return  # the run was requested again; the driver that takes it sets the file aside
    what = f"lacks {', '.join(lost)}" if lost else f"is {status or evidence.status.raw!r}"
    yield Disagreement(
        evidence.run,
        "receipt differs from run document",
        f"{published.path} records the status done, but the run document {what}",
        "the file is set aside",
        partial(set_aside, published.path),
    )
