"""What the run document is told of a run: one data entry per stored data type, and its live data.

The receipts on disk are the source, so that a run whose last data type failed still gets its lower
ones registered.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xamsflow import clock, layout, owner, receipts
from xamsflow.errors import BadDataError
from xamsflow.receipts import Receipt

MB = 1_000_000

DataEntry = dict[str, Any]


def data_entries(
    transfer_receipt: Receipt | None, data_type_receipts: Iterable[Receipt], host: str
) -> list[DataEntry]:
    """Return the entries of the run document's ``data`` that the receipts stand for.

    `host` is the cluster's name in the run document. A data type that several receipts tell of is
    entered once. Raises BadDataError where a receipt's data are no longer on disk.
    """
    common = {"host": host, "time": clock.now(), "by": owner.user()}
    entries = []
    if transfer_receipt is not None:
        folder = _existing(transfer_receipt["destination"], transfer_receipt)
        entries.append(
            {
                "type": "live",
                "location": str(folder.parent),
                "size_mb": transfer_receipt["bytes"] / MB,
                **common,
            }
        )
    stored = {}
    for receipt in data_type_receipts:
        for data_type, facts in receipt["stored"].items():
            _existing(facts["path"], receipt)
            stored[data_type, facts["lineage_hash"]] = facts
    for (data_type, lineage_hash), facts in stored.items():
        entries.append(
            {
                "type": data_type,
                "location": facts["path"],
                "protocol": "FileSytemBackend",  # strax's own name of the class, as it spells it
                "meta": {"lineage": facts["lineage"]},
                "lineage_hash": lineage_hash,
                "n_chunks": facts["n_chunks"],
                "n_items": facts["n_items"],
                "size_mb": facts["bytes"] / MB,
                **common,
            }
        )
    return entries


def receipts_on_disk(run: str) -> tuple[Receipt | None, list[Receipt]]:
    """Return a run's transfer receipt (None: not transferred) and its data types' receipts.

    Receipts that cannot be read, or whose data are gone, are left out: this serves a run that has
    failed, of which what is certain is to be registered.
    """
    transfer: Receipt | None = None
    data_types = []
    for path in sorted(layout.transfer_receipt(run).parent.glob("[a-z]*.json")):
        try:
            receipt = receipts.read(path)
            if path == layout.transfer_receipt(run):
                data_entries(receipt, [], host="")
                transfer = receipt
            elif "stored" in receipt:
                data_entries(None, [receipt], host="")
                data_types.append(receipt)
        except (BadDataError, OSError, KeyError, TypeError, AttributeError):
            continue
    return transfer, data_types


def _existing(location: str, receipt: Receipt) -> Path:
    path = Path(location)
    if not path.is_dir():
        raise BadDataError(
            f"run {receipt['run_id']}: {path} is gone though a receipt tells of it",
            f"put it back, or remove the receipts in results/{receipt['run_id']} to make it again",
        )
    return path
