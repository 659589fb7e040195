"""Show the table of runs."""

import argparse
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING

from xamsflow.base import amounts, clock
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.state import run_numbers, watching
from xamsflow.views import run_table, terminal
from xamsflow.views.run_table import STATUSES, USUAL_ROWS, Tally, word

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase, RunSummary

HELP = "show the runs and their progress"
ONLY_LOOKS = True

TOGETHER = 1000
"""Maximum number of rows in a table; more runs are shown in several tables, one after the other."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    add = parser.add_argument
    parser.description = (
        "Show the runs and their progress. Without a selection, show all runs in progress, then "
        f"failed, waiting and recently completed runs, up to {USUAL_ROWS} lines."
    )
    add("runs", nargs="*", metavar="RUN", help=choosing.HELP)
    add(
        "--status",
        action="append",
        choices=STATUSES,
        metavar="STATUS",
        help=f"only runs with this status: {', '.join(STATUSES)}; may be repeated",
    )
    add("--failed", action="store_true", help="the same as --status failed")
    add("--mode", metavar="PATTERN", help="only runs whose mode matches, e.g. '*led*'")
    add(
        "--since",
        metavar="TIME",
        help="only runs that started since TIME, e.g. 2h, 3d or 2024-03-01",
    )
    add("--newest", type=_count, metavar="N", help="only the N newest matching runs")
    add("--all", action="store_true", help="show all runs")
    add(
        "--watch",
        action="store_true",
        help="redraw the table every few seconds and mark changes; press q to quit",
    )
    add("--json", action="store_true", help="print JSON (keys: docs/reference/json.md)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Print a line with the counts, then one line per run, newest first."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    numbers = run_numbers.parse_all(options.runs) or None
    since = amounts.since(options.since, clock.now()) if options.since else None
    settings = config.load(options.configfile)
    statuses = set(options.status or ()) | ({"failed"} if options.failed else set())
    narrowed = bool(numbers or statuses or options.mode or since or options.newest)
    everything = narrowed or options.all

    def wanted(row: "RunSummary") -> bool:
        return _wanted(row, statuses, options.mode, since)

    if options.watch:
        from xamsflow.cli import live_status  # noqa: PLC0415 - keeps --help fast

        if options.json:
            options.parser.error("--watch is for people, --json for programs: give one of them")
        return live_status.run(
            live_status.Choice(
                numbers, wanted, options.newest, everything, _holding_tags(settings)
            ),
            lambda: rundb.open_database(settings.rundb),
            lambda database: _check_known(database, numbers),
        )
    with rundb.open_database(settings.rundb) as database:
        _check_known(database, numbers)
        tally = Tally(database.name, wanted)
        rows = tally.of(database.each_run(numbers))
        if options.json:
            _print_json(tally, rows, options.newest)
        elif everything:
            _print_all(tally, rows, options.newest, settings)
        else:
            _print_usual(tally, rows, settings)
        choosing.tell_missing(options.runs, tally.found, "in the run database")
    return 0


def _check_known(database: "RunDatabase", numbers: Sequence[range] | None) -> None:
    """Raise ConfigurationError, which names similar runs, for a single run that does not exist."""
    single = run_numbers.single(numbers or ())
    ranges = [range(number, number + 1) for number in single]
    known = {one["number"] for one in database.documents(("number",), ranges)} if ranges else set()
    for number in sorted(single - known):
        database.get(number)


def _print_table(rows: "Sequence[RunSummary]", settings: config.Config) -> None:
    if rows:
        line, skip_tags = terminal.width(), _holding_tags(settings)
        print(f"\n{run_table.table(rows, clock.now(), skip_tags, line)}")


def _print_causes(tally: Tally) -> None:
    if causes := tally.causes_of_failures(terminal.width()):
        print(f"\n{causes}")


def _print_usual(tally: Tally, rows: "Iterator[RunSummary]", settings: config.Config) -> None:
    shown = run_table.usual(run_table.candidates(rows, tally))
    print(tally.head())
    _print_table(shown, settings)
    _print_causes(tally)
    if len(shown) < tally.counts.total():
        print(f"\n{run_table.more(tally.counts, Counter(map(word, shown)))}")


def _print_all(
    tally: Tally, rows: "Iterator[RunSummary]", newest: int | None, settings: config.Config
) -> None:
    """Print all runs; tables of TOGETHER rows need little memory, and the head follows them."""
    shown = islice(rows, newest)
    part = list(islice(shown, TOGETHER))
    is_long = len(part) == TOGETHER
    if not is_long:
        _exhaust(rows)
        if tally.found and not tally.counts:
            print(f"No runs in {tally.where} match.")
            return
        print(tally.head())
    printed: Counter[str] = Counter()
    while part:
        _print_table(part, settings)
        printed.update(map(word, part))
        part = list(islice(shown, TOGETHER))
    _exhaust(rows)
    _print_causes(tally)
    if is_long:
        print()
        print(tally.head())
    if printed.total() < tally.counts.total():
        print(f"\n{run_table.more(tally.counts, printed)}")


def _print_json(tally: Tally, rows: "Iterator[RunSummary]", newest: int | None) -> None:
    """Print the runs as they arrive, so that memory does not grow with their number."""
    watch = watching.current()
    head = {
        "time": clock.now().isoformat(),
        "collection": tally.where,
        "watch": watch and watch.to_json(),
    }
    print(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "runs": [', end="")
    for i, row in enumerate(islice(rows, newest)):
        print(f"{',' if i else ''}\n  {json.dumps(row.to_json())}", end="")
    _exhaust(rows)
    counts = {status: tally.counts[status] for status in STATUSES}
    print(f'\n ],\n "counts": {json.dumps(counts)}\n}}')


def _holding_tags(settings: config.Config) -> tuple[str, ...]:
    """Return the tags that keep a run from being processed."""
    from xamsflow.rundb import selection  # noqa: PLC0415 - keeps --help fast

    return (*settings.select.skip_tags, *selection.HOLDING_TAGS)


def _exhaust(rows: "Iterator[RunSummary]") -> None:
    """Count the runs that are not shown."""
    deque(rows, maxlen=0)


def _wanted(
    row: "RunSummary", statuses: set[str], mode: str | None, since: datetime | None
) -> bool:
    return (
        (not statuses or word(row) in statuses)
        and (mode is None or fnmatchcase(row.mode, mode))
        and (since is None or (row.start is not None and row.start >= since))
    )
