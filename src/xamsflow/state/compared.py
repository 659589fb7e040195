"""The receipt of a comparison of two lineages of a run: which lineages, and where the report is."""

from dataclasses import asdict, dataclass

from xamsflow.state import layout, receipts
from xamsflow.state.lineages import Hashes

VERSION = 1
"""The version of the file format; files of other versions are rewritten."""


@dataclass(frozen=True)
class Compared:
    """The comparison of a run: `old` and `new` contain the lineage hash of each data type.

    `report` is the report's file, `time` the time when it was made (ISO 8601).
    """

    run_id: str
    old: Hashes
    new: Hashes
    report: str
    time: str


def write(found: Compared) -> None:
    """Write the receipt, atomically; raises as :func:`xamsflow.state.receipts.write`."""
    receipts.write(layout.compared(found.run_id), {"version": VERSION} | asdict(found))


def read(run: str) -> Compared | None:
    """Return the receipt of the last comparison of a run, None if there is none.

    Raises BadDataError if the file is damaged or has another version.
    """
    return receipts.read_form(
        layout.compared(run),
        VERSION,
        lambda content: _understood(content, run),
        is_not="is not a comparison receipt",
        remedy=f"create it again: `xamsflow compare {int(run)}`",
    )


def _understood(content: receipts.Receipt, run: str) -> Compared:
    receipts.check_text(content, ("run_id", "report", "time"))
    found = Compared(**content)
    if found.run_id != run or not all(isinstance(one, dict) for one in (found.old, found.new)):
        raise ValueError("another run, or no lineages")
    return found
