"""Measure the quantities that runs lack, and judge those runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.analysis.health import judging
from xamsflow.analysis.quantities import make
from xamsflow.analysis.quantities.own import OwnQuantities
from xamsflow.base.errors import XamsflowError
from xamsflow.state import claims, quantities
from xamsflow.views import run_files

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

BATCH = 100
"""Runs after which those that were made are judged: a killed backfill leaves few without verdict.
"""


def backfill(
    site: "Site", runs: Sequence[str] | None = None, *, only_new: bool = False
) -> Iterator[tuple[str, XamsflowError | None]]:
    """Measure the quantities that runs lack, newest run first, and judge these runs.

    None for all runs; with `only_new`, those without a file newer than their data. Runs that are
    being processed, or have been since the beginning, are left out. Last come the quantities that
    failed for a reason that may have passed: each is tried once, beginning with what was tried
    longest ago. Yield each run for which there was something to make, with the error if there is no
    file now. It can be stopped at any time: what is made is kept, and runs are judged in batches.
    Runs that were not judged before it was killed are judged by the next backfill.
    """
    wanted = run_files.runs() if runs is None else sorted(runs, reverse=True)
    wanted = [run for run in wanted if not _is_claimed(run)]
    # The site uses the corrections that it loaded first, so for runs processed with later ones, it
    # would measure the earlier data.
    then = {run: make.inputs(run, site.processed) for run in wanted}
    unjudged = [run for run in wanted if judging.is_unjudged(run)]
    if only_new:
        wanted = [run for run in wanted if make.is_new(run, site.processed)]
    made: list[str] = []
    batch: list[str] = []
    try:
        with OwnQuantities(site) as own:
            for run in _in_need(wanted, site.processed, own):
                if make.inputs(run, site.processed) != then[run]:
                    continue
                try:
                    make.make(site, run, own, then[run])
                except XamsflowError as error:
                    yield run, error
                    continue
                made.append(run)
                batch.append(run)
                if len(batch) == BATCH:
                    judging.judge(batch, site.settings, is_last=False)
                    batch.clear()
                yield run, None
    finally:
        judging.judge({*made, *unjudged}, site.settings)


def _in_need(runs: Sequence[str], processed: Path, own: OwnQuantities) -> Iterator[str]:
    """Yield the runs with something to measure, those that are only retried last."""
    again = []
    for run in runs:
        need = _need(run, processed, own)
        if need is make.Need.NEW:
            yield run
        elif need is make.Need.AGAIN:
            again.append(run)
    for run in sorted(again, key=quantities.made_ns):
        if _need(run, processed, own) is not make.Need.NOTHING:  # not given up meanwhile
            yield run


def _need(run: str, processed: Path, own: OwnQuantities) -> make.Need:
    try:
        return make.need(run, processed, own)
    except XamsflowError:
        return make.Need.NEW  # make() reports what is wrong


def _is_claimed(run: str) -> bool:
    try:
        return claims.read(run) is not None
    except XamsflowError:  # unreadable: perhaps
        return True
