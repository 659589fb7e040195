"""Make the file with the quantities of a run, and see which runs need a new one."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xamsflow.analysis.quantities import shipped
from xamsflow.analysis.quantities.definition import Definition
from xamsflow.analysis.quantities.run_data import RunData
from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, XamsflowError
from xamsflow.state import layout, quantities
from xamsflow.state.quantities import Quantities, Quantity
from xamsflow.views import run_files

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

logger = logging.getLogger(__name__)

Found = dict[str, Quantity]


def make(site: "Site", run: str) -> Quantities:
    """Measure the quantities of a run and write its file; return them.

    Those in the file that still hold are kept. What cannot be measured has a problem instead of a
    value. Raises ConfigurationError if the run has no receipts, BadDataError if they are damaged,
    and the errors of writing.
    """
    data = site.run(run)
    before = _still_right(run)
    known: Found = {} if before is None else dict(before.quantities)
    made: Found = {}
    for each in shipped.definitions():
        made |= _of(each, known) or measure(each, data)
    found = Quantities(
        run_id=run,
        detector=site.settings.detector,
        mode=data.mode,
        start=data.start,
        end=data.end,
        time=clock.now().isoformat(timespec="seconds"),
        lineage=({} if before is None else dict(before.lineage)) | data.lineage,
        quantities=made,
    )
    quantities.write(found)
    return found


def is_wanted(run: str, definitions: Sequence[Definition]) -> bool:
    """Tell whether a run with stored data lacks one of these quantities, or has it from before."""
    if not layout.receipts_of_data_types(run):
        return False
    before = _still_right(run)
    if before is None:
        return True
    known = dict(before.quantities)
    n_right = [len(_of(each, known)) for each in definitions]
    return not all(n_right) or sum(n_right) < len(known)


def measure(definition: Definition, run: RunData) -> Found:
    """Return a quantity of a run; of channels, by the name of each."""
    try:
        return definition.found(definition.function(run)) or definition.failed("no channels")
    except XamsflowError as error:
        return definition.failed(str(error), run.channels)
    except Exception as error:  # whatever data may lead to: the others are measured nevertheless
        logger.exception("run %s: %s", run.run_id, definition.name)
        return definition.failed(f"{type(error).__name__}: {error}", run.channels)


def _of(definition: Definition, known: Found) -> Found:
    """Return the values of a quantity that the present code made."""
    return {
        name: each
        for name, each in known.items()
        if each.code == definition.code
        and each.by == definition.by
        and definition.name
        == (name if each.channel is None else name.removesuffix(f"_ch{each.channel}"))
    }


def _still_right(run: str) -> Quantities | None:
    """Return the quantities of a run, None if there are none or the data are newer."""
    file = layout.quantities(run)
    try:
        made = file.stat().st_mtime_ns
        receipts = layout.receipts_of_data_types(run)
        if any(receipt.stat().st_mtime_ns > made for receipt in receipts):
            return None
        return quantities.read(run)
    except (FileNotFoundError, BadDataError):
        return None


def backfill(
    site: "Site", runs: Sequence[str] | None = None
) -> Iterator[tuple[str, XamsflowError | None]]:
    """Make the quantities that runs lack, newest run first; None for all runs.

    Yield each run for which there was something to make, with the error if there is no file now.
    It can be stopped at any time: what is made is kept.
    """
    for run in run_files.runs() if runs is None else sorted(runs, reverse=True):
        if is_wanted(run, shipped.definitions()):
            try:
                make(site, run)
            except XamsflowError as error:
                yield run, error
            else:
                yield run, None
