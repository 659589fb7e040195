"""Run documents reconstructed from the files in the working directory, without the run database."""

import contextlib
from datetime import UTC, datetime
from typing import Any

from xamsflow.base.errors import BadDataError, XamsflowError
from xamsflow.redax import rundoc
from xamsflow.rundb import Status, run_document
from xamsflow.state import health, layout
from xamsflow.views import run_files

MB = 1_000_000

BROKEN = (BadDataError, OSError, KeyError, TypeError, ValueError, AttributeError)
"""Errors raised by a receipt with damaged content; such a receipt is ignored."""


def document(run: str) -> dict[str, Any]:
    """Return what the receipts and logs of a run say, as a run document.

    Raises one of BROKEN if a receipt is damaged.
    """
    found = run_files.receipts_of(run)
    transferred = found.get(layout.transfer_receipt(run).name) or {}
    published = found.get(layout.rundoc_receipt(run).name) or {}
    known: dict[str, Any] = {}
    if "run_document" in transferred:
        known = rundoc.from_json(transferred["run_document"])
    times = [moment(receipt.get("time")) for receipt in found.values()]
    last = max((time for time in times if time is not None), default=None)
    about: dict[str, Any] = {"time": last}
    if published:
        status = Status.DONE
    elif failed := [log for log in run_files.logs(run) if log.failure is not None]:
        status = Status.FAILED
        about |= {
            "stage": failed[-1].rule,
            "reason": failed[-1].failure,
            "log": str(failed[-1].path),
            "time": failed[-1].changed,
        }
    else:
        status = Status.RUNNING
        about["stage"] = "process" if transferred else "transfer"
    verdicts = [
        receipt["quality"].get("verdict") for receipt in run_files.data_type_receipts(found)
    ]
    if verdicts:
        about["quality"] = {"verdict": verdicts[-1]}
    with contextlib.suppress(XamsflowError):  # a damaged file says nothing
        if judged := health.read(run):
            about["health"] = judged.in_document()
    data = (
        [{"type": run_document.LIVE, "size_mb": transferred["bytes"] / MB}] if transferred else []
    )
    numbered = known | {"number": layout.run_number(run)}
    return run_document.with_outcome(numbered, status.value, data=data, **about)


def moment(text: Any) -> datetime | None:
    """Return the time of a receipt, None if it has no valid one."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
