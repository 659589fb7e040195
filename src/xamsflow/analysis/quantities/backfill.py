"""Make the quantities that runs lack, and judge those runs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xamsflow.analysis.health import judging
from xamsflow.analysis.quantities import make
from xamsflow.analysis.quantities.own import OwnQuantities
from xamsflow.base.errors import XamsflowError
from xamsflow.state import claims
from xamsflow.views import run_files

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site


def backfill(
    site: "Site", runs: Sequence[str] | None = None, *, only_new: bool = False
) -> Iterator[tuple[str, XamsflowError | None]]:
    """Make the quantities that runs lack, newest run first, then judge these runs.

    None for all runs; with `only_new`, those without a file newer than their data. Runs that are
    being processed are left out. Yield each run for which there was something to make, with the
    error if there is no file now. It can be stopped at any time: what is made is kept, and runs
    that were not judged before it was killed are judged by the next backfill.
    """
    wanted = run_files.runs() if runs is None else sorted(runs, reverse=True)
    wanted = [run for run in wanted if not _is_claimed(run)]
    unjudged = [run for run in wanted if judging.is_unjudged(run)]
    if only_new:
        wanted = [run for run in wanted if make.is_new(run, site.processed)]
    made: list[str] = []
    try:
        with OwnQuantities(site) as own:
            for run in wanted:
                try:
                    if not make.is_wanted(run, site.processed, own):
                        continue
                    make.make(site, run, own)
                    made.append(run)
                    yield run, None
                except XamsflowError as error:
                    yield run, error
    finally:
        judging.judge({*made, *unjudged}, site.settings)


def _is_claimed(run: str) -> bool:
    try:
        return claims.read(run) is not None
    except XamsflowError:  # unreadable: perhaps
        return True
