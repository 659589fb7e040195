"""List the runs that meet the criteria."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from xamsflow.base.errors import TransientError
from xamsflow.cli import choosing
from xamsflow.state import layout, run_numbers
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.analysis.good_runs import GoodRuns

HELP = "list the runs that meet the criteria in a file, and why the others do not"
ONLY_LOOKS = True

COLUMNS = (Column("run"), Column("start"), Column("end"), Column("live time (s)", right=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the criteria."""
    parser.add_argument(
        "--criteria",
        type=choosing.path,
        metavar="FILE",
        help=f"the criteria [{layout.GOOD_RUNS}] (keys: docs/reference/good-runs.md)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON, to keep and cite (keys: docs/reference/json.md)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the list; if the run database cannot be reached, use local files and return 1."""
    from xamsflow.analysis import good_runs  # noqa: PLC0415 - keeps --help fast
    from xamsflow.analysis.site import open_site  # noqa: PLC0415

    criteria = good_runs.read_criteria(options.criteria)
    code = 0
    try:
        with open_site(options.configfile, run_database=True) as site:
            found = site.choose(criteria)
    except TransientError as error:
        print(f"xamsflow: {error}; the runs on disk are used", file=sys.stderr)
        code = 1
        with open_site(options.configfile, run_database=False) as site:
            found = site.choose(criteria)
    if options.json:
        print(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(found)))
    return code


def _lines(found: "GoodRuns") -> Iterator[str]:
    n, n_all = len(found.good), len(found.good) + len(found.left_out)
    yield f"{n} of {n_all} runs meet the criteria, with a live time of {found.live_time_s:.3f} s"
    if n_unknown := sum(run.live_time_s is None for run in found.good):
        yield f"The live time of {n_unknown} of them is unknown: they have no quantities."
    if found.good:
        rows = [
            [
                run.run_id,
                run.start or "",
                run.end or "",
                "" if run.live_time_s is None else f"{run.live_time_s:.3f}",
            ]
            for run in found.good
        ]
        yield ""
        yield terminal.table(COLUMNS, rows, line=terminal.width())
    if found.left_out:
        yield ""
        yield "Left out:"
    by_reason: dict[str, list[int]] = {}
    for run in found.left_out:
        for reason in run.reasons:
            by_reason.setdefault(reason, []).append(layout.run_number(run.run_id))
    for reason, numbers in sorted(by_reason.items()):
        yield f"  {reason}: {' '.join(run_numbers.words(numbers))}"
