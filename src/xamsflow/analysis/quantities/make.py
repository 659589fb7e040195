"""Measure the quantities of a run, and determine which runs need that."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.analysis.quantities import shipped
from xamsflow.analysis.quantities.definition import Definition, may_pass
from xamsflow.analysis.quantities.own import OwnQuantities
from xamsflow.analysis.quantities.run_data import RunData
from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, TransientError, XamsflowError
from xamsflow.state import layout, lineages, quantities
from xamsflow.state.quantities import Quantities, Quantity

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

logger = logging.getLogger(__name__)

Found = dict[str, Quantity]


Inputs = Mapping[Path, int]
"""Files that determine which data of a run are in use, and when they were changed, in ns."""


def make(
    site: "Site", run: str, own: OwnQuantities | None = None, then: Inputs | None = None
) -> Quantities:
    """Measure the quantities of a run and write its file; return them.

    `own` measures those of the site; give it to measure several runs. Those in the file that still
    hold are kept. What cannot be measured has a problem instead of a value. Raises
    ConfigurationError if the run has no receipts, BadDataError if they are damaged, and the errors
    of writing. Raises TransientError if the :func:`inputs` are no longer those of `then`, or have
    changed since the start, because earlier data may then have been measured.
    """
    if own is None:
        with OwnQuantities(site) as alone:
            return make(site, run, alone, then)
    then = inputs(run, site.processed) if then is None else then
    data = site.run(run)
    before = _still_right(run, site.processed)
    known: Found = {} if before is None else dict(before.quantities)
    made: Found = {}
    for each in shipped.definitions():
        made |= _of(each, known) or measure(each, data)
    if own.is_broken:
        made |= {name: each for name, each in known.items() if each.by == own.by}
    for each in own.definitions:
        made |= _of(each, known) or own.measure(each, data)
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
    if inputs(run, site.processed) != then:
        raise TransientError(
            f"run {run} was processed again, or other data of it are in use now, while its "
            "quantities were measured",
            "the next `xamsflow quantities --backfill` measures them",
        )
    quantities.write(found)
    return found


def inputs(run: str, processed: Path) -> Inputs:
    """Return the state of the files that determine which data of a run are in use."""
    found = {}
    for path in (*layout.receipts_of_data_types(run), layout.lineage_file(processed, run)):
        with suppress(OSError):
            found[path] = path.stat().st_mtime_ns
    return found


def is_new(run: str, processed: Path) -> bool:
    """Return whether a run with stored data has no file of quantities, or one from before its data.

    Data are also new if analysts now get another lineage of the run, or if that is unknown:
    :func:`make` raises the error. Only the times of files are compared.
    """
    try:
        return bool(layout.receipts_of_data_types(run)) and not _is_up_to_date(run, processed)
    except XamsflowError:
        return True


class Need(Enum):
    """What to measure in a run: nothing, something for the first time, or only retries."""

    NOTHING = "nothing"
    NEW = "new"
    AGAIN = "again"


def need(run: str, processed: Path, own: OwnQuantities) -> Need:
    """Return whether a run with stored data lacks a quantity, or has one that is defined no more.

    A quantity is made again if what kept it from being measured may have passed. What `own` has
    given up is not.
    """
    if not layout.receipts_of_data_types(run):
        return Need.NOTHING
    before = _still_right(run, processed)
    if before is None:
        return Need.NEW
    known = dict(before.quantities)
    found = Need.NOTHING
    n_defined = 0
    for each in (*shipped.definitions(), *own.definitions):
        right, failed = _of(each, known), _of(replace(each, code=""), known)
        if not right and not failed:
            return Need.NEW
        if not right and not own.has_given_up(each):
            found = Need.AGAIN
        n_defined += len(right) + len(failed)
    return Need.NEW if n_defined < len(known) and not own.is_broken else found


def measure(definition: Definition, run: RunData) -> Found:
    """Return a quantity of a run; of channels, by the name of each."""
    try:
        return definition.found(definition.function(run)) or definition.failed("no channels")
    except Exception as error:  # data may cause any error; the others are still measured
        is_final = not may_pass(error)
        if isinstance(error, XamsflowError):
            return definition.failed(str(error), run.channels, is_final=is_final)
        if is_final:
            logger.exception("run %s: %s", run.run_id, definition.name)
        words = f"{type(error).__name__}: {error}"
        return definition.failed(words, run.channels, is_final=is_final)


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


def _still_right(run: str, processed: Path) -> Quantities | None:
    """Return the quantities of a run, None if there are none or the data are newer."""
    if not _is_up_to_date(run, processed):
        return None
    try:
        return quantities.read(run)
    except BadDataError:
        return None


def _is_up_to_date(run: str, processed: Path) -> bool:
    """Return whether a run has a file of quantities that is not older than its data.

    Raises the errors of :func:`xamsflow.state.lineages.read`.
    """
    lineages.read(processed, run)
    try:
        made = layout.quantities(run).stat().st_mtime_ns
    except OSError:  # there is none, or it cannot be read
        return False
    return max(inputs(run, processed).values(), default=0) <= made
