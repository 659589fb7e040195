"""Compare strax data with their receipts; strax data are never changed or deleted."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.operate.reconcile.disagreement import MOUNTED, Disagreement, is_away, set_aside
from xamsflow.operate.reconcile.evidence import Evidence, ReceiptFile, Sources, without_run
from xamsflow.redax import rundoc
from xamsflow.run import publish, run_metadata
from xamsflow.rundb import Status
from xamsflow.settings import detector
from xamsflow.state import layout, receipts, strax_folder
from xamsflow.state.receipts import Receipt


def unfinished(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find folders that strax left unfinished because its job was killed.

    Those of a failed run are not a disagreement: its status shows that it was not finished.
    """
    if evidence.status.status is Status.FAILED:
        return
    for folder in evidence.folders:
        if folder.name.temporary:
            yield Disagreement(
                evidence.run,
                "unfinished strax data",
                f"{folder.path} is unfinished: its job was stopped while writing",
                "the folder is set aside",
                partial(set_aside, folder.path),
            )


def damaged(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find strax data that are incomplete or disagree with their own metadata."""
    for folder in evidence.folders:
        if not folder.name.temporary and folder.damage is not None:
            yield Disagreement(
                evidence.run,
                "damaged strax data",
                folder.damage,
                "the folder is set aside",
                partial(set_aside, folder.path),
            )


def receipt_without_data(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find receipts of data that are missing or damaged, or differ in lineage, size or number."""
    for file in evidence.data_types:
        if file.content is None:
            continue
        why = disbelieved(file.content)
        if why is None:
            continue
        away = [
            facts["path"]
            for facts in file.content["stored"].values()
            if not Path(facts["path"]).is_dir() and is_away(Path(facts["path"]).parent)
        ]
        yield Disagreement(
            evidence.run,
            "receipt without its data",
            f"{file.path}: {why}",
            MOUNTED if away else "the receipt is set aside",
            None if away else partial(set_aside, file.path),
        )


def data_without_receipt(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find data without a receipt that have the current lineage and complete lower data types."""
    told = {facts["path"] for receipt in believed(evidence) for facts in receipt["stored"].values()}
    silent = [folder for path, folder in evidence.complete.items() if str(path) not in told]
    for folder in silent:
        data_type = folder.name.data_type
        if sources.lineage(evidence.run).get(data_type) != folder.name.lineage_hash:
            continue  # made by an earlier version: kept and registered, but not used by any job
        receipt = _receipt(evidence, sources, data_type)
        if receipt is not None:
            yield Disagreement(
                evidence.run,
                "data without receipt",
                f"there is no receipt for {folder.path}",
                "a receipt is written from strax's metadata",
                partial(_write, layout.data_type_receipt(evidence.run, data_type), receipt),
            )


def outdated_run_metadata(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find runs whose metadata for strax are missing or differ from the run document."""
    if evidence.document is None or not evidence.complete:
        return
    wanted = run_metadata.of(evidence.document, believed(evidence))
    fields = run_metadata.outdated(sources.processed, wanted)
    if not fields:
        return
    path = strax_folder.run_metadata_file(sources.processed, evidence.run)
    yield Disagreement(
        evidence.run,
        "run metadata",
        f"strax's run metadata ({path}) lack {', '.join(fields)} of the run document",
        "they are written from the run document",
        partial(run_metadata.write, sources.processed, wanted),
    )


def believed(evidence: Evidence) -> list[Receipt]:
    """Return the data type receipts that are correct."""
    return [
        file.content
        for file in evidence.data_types
        if file.content is not None and disbelieved(file.content) is None
    ]


def disbelieved(receipt: Receipt) -> str | None:
    """Return what is wrong with a data type's receipt, or None if it is correct."""
    try:
        for facts in receipt["stored"].values():
            publish.check_stored(facts, receipt)
    except BadDataError as error:
        return without_run(error, receipt["run_id"])
    return None


def _receipt(evidence: Evidence, sources: Sources, data_type: str) -> Receipt | None:
    document = _document(evidence.transfer, evidence, sources)
    if document is None:
        return None
    from xamsflow.data.processing import stored_receipt  # noqa: PLC0415 - strax takes seconds

    settings = sources.settings
    try:
        return stored_receipt(
            document=document,
            detector=detector.load(settings.detector),
            processed=sources.processed,
            data_type=data_type,
            other_context=settings.context,
        )
    except BadDataError:
        return None  # a lower data type or the run document is damaged


def _document(
    transfer: ReceiptFile | None, evidence: Evidence, sources: Sources
) -> Mapping[str, Any] | None:
    """Return the run document from the transfer's receipt, else the current one."""
    if transfer is not None and transfer.content is not None:
        return rundoc.from_json(transfer.content["run_document"])
    return sources.database.get(evidence.number) if evidence.document is not None else None


def _write(path: Path, receipt: Receipt) -> None:
    if path.exists():
        set_aside(path)  # an invalid receipt
    receipts.write(path, receipt)
