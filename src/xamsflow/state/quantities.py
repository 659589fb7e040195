"""The quantities of a run, as they are kept on disk: numbers and short texts that describe it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from xamsflow.state import layout, receipts

VERSION = 1
"""The version of the file format; files of other versions are rewritten."""

OURS = "xamsflow"
"""What `by` says of the quantities of every site."""


@dataclass(frozen=True)
class Quantity:
    """One quantity of one run.

    `value` is None if the quantity could not be determined; then `problem` says why, in one line.
    `error` is one standard deviation, None if there is none. A quantity of a channel has the name
    ``<name>_ch<channel>``. `by` is OURS or the file that defines the quantity, and `code`
    identifies the code that made it.
    """

    value: float | str | None
    error: float | None = None
    unit: str = ""
    definition: str = ""
    problem: str | None = None
    channel: int | None = None
    by: str = OURS
    code: str = ""


@dataclass(frozen=True)
class Quantities:
    """All quantities of a run.

    `start` and `end` are in ns since the epoch; `lineage` has the lineage hash of each data type
    from which they were made; `time` says when, in ISO 8601.
    """

    run_id: str
    detector: str
    mode: str
    start: int
    end: int
    time: str
    lineage: Mapping[str, str]
    quantities: Mapping[str, Quantity] = field(default_factory=dict)


def write(found: Quantities) -> None:
    """Write the quantities of a run, atomically.

    Raises the errors of :func:`xamsflow.state.receipts.write`.
    """
    receipts.write(layout.quantities(found.run_id), {"version": VERSION} | asdict(found))


def read(run: str) -> Quantities | None:
    """Return the quantities of a run, None if there are none yet.

    Raises BadDataError if the file is damaged or has another form.
    """
    return receipts.read_form(
        layout.quantities(run),
        VERSION,
        _understood,
        is_not="does not contain the quantities of a run",
        remedy="create it again: `xamsflow quantities --backfill`",
    )


def made_ns(run: str) -> int:
    """Return when the file of a run was written, ns since the epoch; 0 if it cannot be read."""
    try:
        return layout.quantities(run).stat().st_mtime_ns
    except OSError:
        return 0


def _understood(content: receipts.Receipt) -> Quantities:
    values = content.pop("quantities")
    named = {name: Quantity(**value) for name, value in values.items()}
    return Quantities(**content, quantities=named)
