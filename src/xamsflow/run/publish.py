"""What is written to a run document: an entry per stored data type, and one for the live data.

The receipts on disk are the source, so that the lower data types of a run are registered even if
its last one failed.
"""

import contextlib
import logging
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.redax import findings, rundoc
from xamsflow.run import policy, run_metadata
from xamsflow.run.failures import FailedJob
from xamsflow.rundb import identity, registered
from xamsflow.settings.config import Config
from xamsflow.state import layout, owner, receipts, strax_folder
from xamsflow.state.claims import Claim
from xamsflow.state.receipts import Receipt

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

logger = logging.getLogger(__name__)

MB = 1_000_000

DataEntry = dict[str, Any]

TRANSFER_NEEDS = ("run_id", "run_document", "destination", "bytes", "files")
DATA_TYPE_NEEDS = ("run_id", "data_type", "stored", "quality", "versions")
"""The keys that a receipt must have."""


@dataclass(frozen=True)
class Done:
    """What is written to the run document of a run that is done."""

    data: list[DataEntry]
    versions: Mapping[str, str]
    quality: Mapping[str, Any]


def done(transfer_receipt: Receipt, data_type_receipts: Sequence[Receipt], host: str) -> Done:
    """Return what to write about a run, given the receipts of its targets.

    Raises BadDataError as :func:`data_entries` does.
    """
    return Done(
        data=data_entries(transfer_receipt, data_type_receipts, host),
        versions=data_type_receipts[0]["versions"],
        quality=findings.summary(data_type_receipts[0]["quality"]),
    )


def check_whose(transfer_receipt: Receipt, database: "RunDatabase", config: Config) -> None:
    """Raise ConfigurationError unless a receipt belongs to the run that the document describes."""
    document = database.get(layout.run_number(transfer_receipt["run_id"]))
    wanted = identity.of_document(document, config.rundb, config.daq)
    identity.check_receipt(transfer_receipt, wanted)


def tell_strax(
    transfer_receipt: Receipt, data_type_receipts: Sequence[Receipt], config: Config
) -> None:
    """Write the run's metadata next to its strax data."""
    document = rundoc.from_json(transfer_receipt["run_document"])
    run_metadata.write(config.storage.processed, run_metadata.of(document, data_type_receipts))


def tell_done(database: "RunDatabase", claim: Claim, done: Done) -> Receipt | None:
    """Register the stored data, set the run done, and return the receipt of that.

    Returns None, with the status unchanged, if the claim no longer holds the run. Repeating it
    changes nothing.
    """
    if not database.is_held(claim):
        return None
    added = [entry["type"] for entry in database.add_data(claim.number, *done.data)]
    if not database.done(claim, versions=done.versions, quality=done.quality):
        return None
    return {
        "run_id": layout.run_id(claim.number),
        "processing_status": "done",
        "owner": claim.owner,
        "attempt": claim.attempt,
        "data": rundoc.to_json(done.data),
        "added": added,
        "quality": done.quality,
        "host": platform.node(),
        "time": clock.now().isoformat(),
    }


def tell_failure(database: "RunDatabase", claim: Claim, job: FailedJob, config: Config) -> bool:
    """Register the stored data of a failed run, and write why it failed and what follows.

    Returns False, with the status unchanged, if the claim no longer holds the run, or this failure
    was written before.
    """
    number = layout.run_number(job.run)
    if not database.is_held(claim):
        return False
    transferred, data_types = receipts_on_disk(job.run)
    try:
        _check_whose_on_disk(job.run, database, config)
        entries = data_entries(transferred, data_types, host=config.storage.host)
        database.add_data(number, *entries)
    except (BadDataError, ConfigurationError) as error:
        logger.warning("run %s: the stored data could not be registered: %s", job.run, error)
    if transferred is not None and data_types:
        try:
            tell_strax(transferred, data_types, config)
        except XamsflowError as error:
            logger.warning(
                "run %s: the run metadata for strax were not written: %s", job.run, error
            )
    failure = job.failure.failure
    return database.failed(
        claim,
        job.rule,
        reason=job.failure.reason,
        failure=failure,
        log=str(job.log.resolve()),
        pause_s=partial(policy.pause_s, failure, retry=config.retry),
    )


def _check_whose_on_disk(run: str, database: "RunDatabase", config: Config) -> None:
    """Check that a run's transfer receipt, if there is one, belongs to the run."""
    with contextlib.suppress(FileNotFoundError):
        receipt = receipts.read(layout.transfer_receipt(run), TRANSFER_NEEDS)
        check_whose(receipt, database, config)


def data_entries(
    transfer_receipt: Receipt | None, data_type_receipts: Iterable[Receipt], host: str
) -> list[DataEntry]:
    """Return the entries of the run document's ``data`` for these receipts.

    `host` is the cluster's name in the run document. A data type in several receipts is entered
    once. Raises BadDataError if a receipt's data are no longer on disk, or do not have the size and
    lineage that the receipt states.
    """
    entries = []
    if transfer_receipt is not None:
        check_live_data(transfer_receipt)
        entries.append(live_entry(transfer_receipt, host))
    stored = {}
    for receipt in data_type_receipts:
        for data_type, facts in receipt["stored"].items():
            check_stored(facts, receipt)
            stored[data_type, facts["lineage_hash"]] = facts
    return entries + [
        data_entry(data_type, facts, host) for (data_type, _), facts in stored.items()
    ]


def live_entry(transfer_receipt: Receipt, host: str) -> DataEntry:
    """Return the entry of a run's transferred live data on the cluster.

    Its `source` is the name of the source that they were copied from, where the receipt knows it.
    """
    folder = Path(transfer_receipt["destination"])
    size_mb = transfer_receipt["bytes"] / MB
    source = (transfer_receipt.get("source") or {}).get("name")
    told = {} if source is None else {"source": source}
    return {
        "type": "live",
        "location": str(folder.parent),
        "size_mb": size_mb,
        **told,
        **_common(host),
    }


def data_entry(data_type: str, facts: Mapping[str, Any], host: str) -> DataEntry:
    """Return the entry of a stored data type; `xamsflow.state.strax_folder.check` gives `facts`."""
    return {
        "type": data_type,
        "location": facts["path"],
        "protocol": registered.PROTOCOL,
        "meta": {"lineage": facts["lineage"]},
        "lineage_hash": facts["lineage_hash"],
        "n_chunks": facts["n_chunks"],
        "n_items": facts["n_items"],
        "size_mb": facts["bytes"] / MB,
        **_common(host),
    }


def _common(host: str) -> DataEntry:
    return {"host": host, "time": clock.now(), "by": owner.user()}


def receipts_on_disk(run: str) -> tuple[Receipt | None, list[Receipt]]:
    """Return a run's transfer receipt (None: not transferred) and its data types' receipts.

    Receipts that cannot be read, or whose data are gone, are left out: only what is certain is
    registered for a failed run.
    """
    transfer: Receipt | None = None
    with contextlib.suppress(XamsflowError, OSError):
        receipt = receipts.read_transfer(layout.transfer_receipt(run))
        data_entries(receipt, [], host="")
        transfer = receipt
    data_types = []
    for path in layout.receipts_of_data_types(run):
        with contextlib.suppress(XamsflowError, OSError):
            receipt = receipts.read_data_type(path)
            data_entries(None, [receipt], host="")
            data_types.append(receipt)
    return transfer, data_types


def check_stored(facts: Mapping[str, Any], receipt: Receipt) -> None:
    """Raise BadDataError unless the data of one data type are there, as the receipt states.

    Strax's metadata and the sizes of all files are compared.
    """
    path = _existing(facts["path"], receipt)
    found = strax_folder.check(path)
    for key in ("lineage_hash", "n_items", "n_chunks", "bytes", "start", "end"):
        if found[key] != facts[key]:
            raise _changed(f"{path} has {key} {found[key]}", facts[key], receipt)


def check_live_data(receipt: Receipt) -> None:
    """Raise BadDataError unless all files of a transferred run are there, with the right sizes."""
    folder = _existing(receipt["destination"], receipt)
    for file in receipt["files"]:
        path = folder / file["path"]
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        if size != file["size"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise _changed(f"{path} {found}", f"{file['size']} bytes", receipt)


def check_followed(run_id: str, transferred: Receipt) -> None:
    """Raise BadDataError if the bytes seen while following a run differ from the verified ones.

    Then a file was damaged on the way, or the DAQ rewrote it after the end.
    """
    try:
        receipt = receipts.read(layout.follow_receipt(run_id), ("processed", "checksums"))
    except (FileNotFoundError, BadDataError):
        return
    arrived = {file["path"]: file["sha256"] for file in transferred["files"]}
    for path, checksum in receipt["checksums"].items() if receipt["processed"] else ():
        if arrived.get(path) != checksum:
            raise BadDataError(
                f"run {run_id} was followed during data taking, but {path} has changed since",
                "the data made from it are wrong: move the run's folders out of storage.processed, "
                f"remove {layout.follow_receipt(run_id)}, and request the run again",
            )


def _existing(location: str, receipt: Receipt) -> Path:
    path = Path(location)
    if not path.is_dir():
        raise BadDataError(
            f"run {receipt['run_id']}: {path} is missing, although a receipt lists it",
            _remedy(receipt),
        )
    return path


def _changed(what: str, expected: object, receipt: Receipt) -> BadDataError:
    return BadDataError(
        f"run {receipt['run_id']}: {what}, but its receipt says {expected}", _remedy(receipt)
    )


def _remedy(receipt: Receipt) -> str:
    run = receipt["run_id"]
    if "destination" in receipt:
        return f"restore it, or copy the run again: `xamsflow retransfer {int(run)}`"
    return f"restore it, or remove the receipts in results/{run} to produce it again"
