"""Compare live data with the transfer's receipt; live data are never changed or deleted."""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from xamsflow.operate import lineages
from xamsflow.operate.reconcile.disagreement import MOUNTED, Disagreement, is_away, set_aside
from xamsflow.operate.reconcile.evidence import Evidence, Sources
from xamsflow.settings.config import DAQ
from xamsflow.state import layout, receipts
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import IN_PLACE, transfer_run


def missing(evidence: Evidence, _: Sources) -> Iterator[Disagreement]:
    """Find a transfer receipt whose live data are missing."""
    receipt = evidence.transfer
    if receipt is None or receipt.content is None:
        return
    folder = Path(receipt.content["destination"])
    if folder.is_dir():
        return
    what = f"{receipt.path} lists live data in {folder}, which is missing"
    if is_away(folder.parent):
        yield Disagreement(evidence.run, "live data missing", what, MOUNTED)
        return
    yield Disagreement(
        evidence.run,
        "live data missing",
        what,
        "the receipt is set aside",
        partial(set_aside, receipt.path),
    )


def changed(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find live data that differ from the transferred ones, by names and sizes or by checksums."""
    receipt = evidence.transfer
    if receipt is None or receipt.content is None:
        return
    folder = Path(receipt.content["destination"])
    if not folder.is_dir():
        return
    difference = _difference(folder, receipt.content, checksums=sources.checksums)
    if difference is None:
        return
    what = f"live data in {folder} differ from the receipt: {difference}"
    if receipt.content["compared"] == IN_PLACE or folder != sources.live_data / evidence.run:
        yield Disagreement(
            evidence.run,
            "live data changed",
            what,
            "find out who changed them: they are the DAQ's own or outside storage.live_data",
        )
        return

    def repair() -> None:
        set_aside(folder)
        set_aside(receipt.path)

    yield Disagreement(
        evidence.run,
        "live data changed",
        what,
        "folder and receipt are set aside; the next `snakemake` run transfers the run again",
        repair,
    )


def grown_at_the_source(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find runs to which the DAQ has added files since they were transferred from it."""
    receipt = evidence.transfer
    if receipt is None or receipt.content is None or receipt.content["compared"] == IN_PLACE:
        return
    origin = receipt.content.get("source") or {}
    if origin.get("name") not in (DAQ, None):
        return  # nobody writes to a copy
    if "path" not in origin or (listing := sources.on_daq(*os.path.split(origin["path"]))) is None:
        return
    arrived = {file["path"]: file["size"] for file in receipt.content["files"]}
    more = sorted(path for path, file in listing.files.items() if file.size > arrived.get(path, -1))
    if not more:
        return

    def repair() -> None:
        for path in evidence.made_from_the_copy:
            set_aside(path)
        lineages.release_gone(
            sources.processed, evidence.run, sources.by, "set aside: grown at the source"
        )

    yield Disagreement(
        evidence.run,
        "grown at the source",
        f"since the transfer the DAQ has written {more[0]} (new or longer files: {len(more)})",
        "all local data of the run are set aside; the next `snakemake` run processes it again",
        repair,
    )


def unverified(evidence: Evidence, sources: Sources) -> Iterator[Disagreement]:
    """Find live data here without a receipt."""
    if evidence.live_data is None or evidence.transfer is not None or evidence.document is None:
        return

    def repair() -> None:
        document = sources.database.get(evidence.number)
        settings = sources.settings
        receipt = transfer_run(
            document,
            settings.daq,
            settings.storage,
            sources=settings.sources,
            settings=settings.rundb,
            now=sources.database.now,
        )
        receipts.write(layout.transfer_receipt(evidence.run), receipt)

    yield Disagreement(
        evidence.run,
        "live data without receipt",
        f"there is no receipt for the live data in {evidence.live_data}",
        "they are compared with the source's by checksums; if identical, a receipt is written",
        repair,
    )


def _difference(folder: Path, receipt: Receipt, *, checksums: bool) -> str | None:
    """Return the first difference between a folder and the files listed in its receipt."""
    expected = {file["path"]: file for file in receipt["files"]}
    found = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()
    }
    for name in sorted(expected.keys() ^ found.keys()):
        return f"{name} {'is missing' if name in expected else 'exists only'} here"
    for name, path in found.items():
        size = path.stat().st_size
        if size != expected[name]["size"]:
            return f"{name} has {size} bytes, expected {expected[name]['size']}"
        if checksums:
            with path.open("rb") as content:
                checksum = hashlib.file_digest(content, "sha256").hexdigest()
            if checksum != expected[name]["sha256"]:
                return f"the checksum of {name} differs"
    return None
