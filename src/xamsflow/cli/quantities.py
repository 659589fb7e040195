"""Show the quantities of runs, or compute missing ones."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.base import amounts
from xamsflow.base.errors import XamsflowError
from xamsflow.cli import choosing
from xamsflow.state import layout, quantities, run_numbers
from xamsflow.state.quantities import Quantities, Quantity
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

HELP = "show quantities of runs: rates, noise, gains, electron lifetime, ..."
ONLY_LOOKS = True

IN_FRONT = (
    *("live_fraction", "event_rate", "s1_rate", "s2_rate", "lone_hit_rate", "s1_area", "s2_area"),
    *("drift_time_edge", "electron_lifetime"),
)
"""The quantities shown in a table of several runs."""

USUAL_RUNS = 20
FRONT = 100
"""Columns with a higher number stay longer in a narrow terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, the output format, and whether to compute missing quantities."""
    add = parser.add_argument
    parser.description = (
        "Show the quantities of runs: all of them for one run, a table for several. Without "
        f"RUN, show the newest {USUAL_RUNS} runs that have quantities."
    )
    add("runs", nargs="*", metavar="RUN", help=choosing.HELP)
    add("--name", action="append", metavar="PATTERN", help="only these quantities, e.g. 'noise_*'")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with errors and problems")
    form.add_argument("--csv", action="store_true", help="print CSV, one line per run")
    add(
        "--backfill",
        action="store_true",
        help="first compute what is missing or outdated in these runs (without RUN: in all runs)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the quantities; with --backfill, first compute missing ones."""
    from xamsflow.views import run_files  # noqa: PLC0415 - keeps --help fast

    run_numbers.parse_all(options.runs)
    if options.backfill:
        _backfill(options.runs, options.configfile)
    if options.runs:
        runs = [layout.run_id(number) for number in choosing.on_disk(options.runs)][::-1]
    else:
        runs = [run for run in run_files.runs() if layout.quantities(run).is_file()]
        if not (options.json or options.csv):
            runs = runs[:USUAL_RUNS]
    if options.backfill and not options.runs and not (options.json or options.csv):
        return 0
    found: dict[str, Quantities | None] = {}
    damaged = False
    for name in runs:
        try:
            found[name] = quantities.read(name)
        except XamsflowError as error:
            damaged = True
            print(f"xamsflow: {error}", file=sys.stderr)
    shown = {name: _chosen(each, options.name) for name, each in found.items() if each is not None}
    if options.json:
        print(json.dumps([_as_json(found[name], each) for name, each in shown.items()], indent=1))
    elif options.csv:
        _print_csv(found, shown)
    elif len(options.runs) == 1 and len(shown) == 1:
        print(_one_run(next(iter(shown.values()))))
    elif shown:
        print(_table(found, shown, options.name))
    lacking = [layout.run_number(name) for name, each in found.items() if each is None]
    if lacking or not (found or damaged):
        whose = f" of {choosing.named(lacking)}" if lacking else ""
        print(
            f"xamsflow: no quantities{whose}: compute them with `xamsflow quantities --backfill`",
            file=sys.stderr,
        )
    return 1 if lacking or damaged else 0


def _backfill(words: Sequence[str], configfile: Sequence[Path]) -> None:
    from xamsflow.analysis.quantities.backfill import backfill  # noqa: PLC0415 - takes seconds
    from xamsflow.analysis.site import open_site  # noqa: PLC0415

    site: Site = open_site(configfile, run_database=False)
    wanted = None
    if words:
        wanted = [layout.run_id(number) for number in choosing.on_disk(words)]
    n_made = 0
    for name, problem in backfill(site, wanted):
        n_made += problem is None
        if problem is not None:
            print(f"xamsflow: {problem}", file=sys.stderr)
        elif sys.stderr.isatty():
            print(f"run {name}: quantities computed", file=sys.stderr)
    print(f"computed the quantities of {n_made} run{'' if n_made == 1 else 's'}", file=sys.stderr)


def _chosen(found: Quantities, patterns: Sequence[str] | None) -> dict[str, Quantity]:
    return {
        name: each
        for name, each in found.quantities.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def _as_json(found: Quantities | None, shown: Mapping[str, Quantity]) -> dict[str, Any]:
    assert found is not None, "runs without quantities are left out"
    return {
        "run_id": found.run_id,
        "detector": found.detector,
        "mode": found.mode,
        "start": found.start,
        "end": found.end,
        "quantities": {
            name: {
                "value": each.value,
                "error": each.error,
                "unit": each.unit,
                "problem": each.problem,
            }
            for name, each in shown.items()
        },
    }


def _print_csv(
    found: Mapping[str, Quantities | None], shown: Mapping[str, Mapping[str, Quantity]]
) -> None:
    """Print a line per run: value and error of each quantity, empty if unknown."""
    import csv  # noqa: PLC0415

    names = list(dict.fromkeys(name for each in shown.values() for name in each))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    ends = ("", "_error")
    writer.writerow(["run_id", "mode", *(f"{name}{end}" for name in names for end in ends)])
    for run_id, each in shown.items():
        about = found[run_id]
        row = [run_id, about.mode if about else ""]
        for name in names:
            one = each.get(name, Quantity(None))
            row += ["" if value is None else str(value) for value in (one.value, one.error)]
        writer.writerow(row)


def _one_run(shown: Mapping[str, Quantity]) -> str:
    columns = (Column("quantity"), Column("value"), Column("unit"), Column("definition", cut=20))
    rows = [
        [name, cell(each) or "-", each.unit, each.problem or each.definition]
        for name, each in shown.items()
    ]
    colours = ["yellow" if each.problem else None for each in shown.values()]
    return terminal.table(columns, rows, line=terminal.width(), colours=colours, coloured_column=3)


def _table(
    found: Mapping[str, Quantities | None],
    shown: Mapping[str, Mapping[str, Quantity]],
    patterns: Sequence[str] | None,
) -> str:
    names = list(dict.fromkeys(name for each in shown.values() for name in each))
    if not patterns:
        names = [name for name in names if name in IN_FRONT] or names
    columns = [Column("run"), Column("mode", cut=12), Column("start (UTC)", drop=0)]
    columns += [Column(name, drop=FRONT - place, right=True) for place, name in enumerate(names)]
    rows = []
    for run_id, each in shown.items():
        about = found[run_id]
        assert about is not None, "runs without quantities are left out"
        start = amounts.time(datetime.fromtimestamp(about.start / 1e9, UTC))
        rows.append([run_id, about.mode, start, *(cell(each.get(name)) for name in names)])
    return terminal.table(columns, rows, line=terminal.width())


def cell(each: Quantity | None) -> str:
    """Return a value with its error, rounded to two digits of the error; empty if unknown."""
    if each is None or each.value is None:
        return ""
    if isinstance(each.value, str):
        return each.value
    if not each.error:
        return f"{each.value:.5g}"
    return rounded(each.value, each.error)


def rounded(value: float, error: float) -> str:
    """Return a value and its error, rounded to two digits of the error."""
    from math import floor, log10  # noqa: PLC0415

    digits = max(0, 1 - floor(log10(error)))
    if digits > 6:
        return f"{value:.4g} ± {error:.2g}"
    return f"{value:.{digits}f} ± {error:.{digits}f}"
