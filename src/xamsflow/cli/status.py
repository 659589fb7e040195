"""Show the table of runs."""

import argparse
import json
import textwrap
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING

from xamsflow.base import amounts, clock
from xamsflow.base.printable import printable
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.settings.config import DAQ
from xamsflow.state import run_numbers, watching
from xamsflow.views import terminal
from xamsflow.views.causes import Causes
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase, RunSummary
    from xamsflow.views.causes import Cause

HELP = "show the runs and their progress"
ONLY_LOOKS = True

STATUSES = ("running", "submitted", "pending", "failed", "done", "none")
"""In the order of the summary; `none` stands for runs that nobody has requested."""

COLOURS = {"running": "cyan", "submitted": "cyan", "failed": "red", "done": "green"}
USUAL_ROWS = 20

SETTLED = ("pending", "failed", "done", "none")
"""Of runs with these statuses, beyond USUAL_ROWS, only the number is shown."""

COLUMNS = (
    Column("run"),
    Column("mode", cut=12),
    Column("start (UTC)", drop=5),
    Column("length", drop=4, right=True),
    Column("size", drop=6, right=True),
    Column("from", drop=0),
    Column("status"),
    Column("stage", drop=10),
    Column("try", drop=3, right=True),
    Column("node", drop=2),
    Column("job", drop=1),
    Column("last update", drop=7, right=True),
    Column("quality", drop=8),
    Column("next try", drop=9),
    Column("reason", cut=24),
)

SHOWN_CAUSES = 10

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
    add("--json", action="store_true", help="as JSON (keys: docs/reference/json.md)")


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

    with rundb.open_database(settings.rundb) as database:
        _check_known(database, numbers)
        tally = _Tally(database.name, wanted, settings)
        rows = tally.of(database.each_run(numbers))
        if options.json:
            _print_json(tally, rows, options.newest)
        elif everything:
            _print_all(tally, rows, options.newest)
        else:
            _print_usual(tally, rows)
        choosing.tell_missing(options.runs, tally.found, "in the run database")
    return 0


def _check_known(database: "RunDatabase", numbers: Sequence[range] | None) -> None:
    """Raise ConfigurationError, which names similar runs, for a single run that does not exist."""
    single = run_numbers.single(numbers or ())
    ranges = [range(number, number + 1) for number in single]
    known = {one["number"] for one in database.documents(("number",), ranges)} if ranges else set()
    for number in sorted(single - known):
        database.get(number)


class _Tally:
    """What is counted while runs pass: `found` are all, `counts` the wanted ones by status."""

    def __init__(
        self, where: str, wanted: "Callable[[RunSummary], bool]", settings: config.Config
    ) -> None:
        self.where = where
        self.found: set[int] = set()
        self.counts: Counter[str] = Counter()
        self.being_taken = 0
        self.causes = Causes()
        self._wanted = wanted
        self._settings = settings

    def of(self, rows: "Iterable[RunSummary]") -> "Iterator[RunSummary]":
        """Yield the wanted runs."""
        for row in rows:
            self.found.add(row.number)
            if not self._wanted(row):
                continue
            self.counts[word(row)] += 1
            self.being_taken += _is_being_taken(row)
            if word(row) == "failed":
                self.causes.add(row)
            yield row

    def print_head(self) -> None:
        """Print whether a watch is alive, and the counts."""
        watch = watching.current()
        if watch is not None:
            print(terminal.coloured(str(watch), None if watch.is_well else "red"))
        print(summary(self.counts, self.where, self.being_taken))

    def print_table(self, rows: "Sequence[RunSummary]") -> None:
        """Print a table of runs, if there are any."""
        from xamsflow.rundb import selection  # noqa: PLC0415 - keeps --help fast

        if rows:
            skip_tags = (*self._settings.select.skip_tags, *selection.HOLDING_TAGS)
            print(f"\n{table(rows, clock.now(), skip_tags)}")

    def print_causes(self) -> None:
        """Print why runs failed, unless the table already says so in full."""
        grouped = self.causes.most_frequent_first()
        line = terminal.width()
        # The table cuts reasons at a narrow terminal.
        if any(len(cause.numbers) > 1 for cause in grouped) or (grouped and line is not None):
            print(f"\n{by_cause(grouped, line)}")


def _print_usual(tally: _Tally, rows: "Iterator[RunSummary]") -> None:
    chosen = [  # without the many settled runs that are only counted
        row for row in rows if word(row) not in SETTLED or tally.counts[word(row)] <= USUAL_ROWS
    ]
    shown = usual(chosen)
    tally.print_head()
    tally.print_table(shown)
    tally.print_causes()
    if len(shown) < tally.counts.total():
        print(f"\n{more(tally.counts, Counter(word(row) for row in shown))}")


def _print_all(tally: _Tally, rows: "Iterator[RunSummary]", newest: int | None) -> None:
    """Print all runs; tables of TOGETHER rows need little memory, and the head follows them."""
    shown = islice(rows, newest)
    part = list(islice(shown, TOGETHER))
    is_long = len(part) == TOGETHER
    if not is_long:
        _exhaust(rows)
        if tally.found and not tally.counts:
            print(f"No runs in {tally.where} match.")
            return
        tally.print_head()
    printed: Counter[str] = Counter()
    while part:
        tally.print_table(part)
        printed.update(map(word, part))
        part = list(islice(shown, TOGETHER))
    _exhaust(rows)
    tally.print_causes()
    if is_long:
        print()
        tally.print_head()
    if printed.total() < tally.counts.total():
        print(f"\n{more(tally.counts, printed)}")


def _print_json(tally: _Tally, rows: "Iterator[RunSummary]", newest: int | None) -> None:
    """Print the runs as they come, so that memory does not grow with their number."""
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


def _exhaust(rows: "Iterator[RunSummary]") -> None:
    """Count the runs that are not shown."""
    deque(rows, maxlen=0)


def word(row: "RunSummary") -> str:
    """Return a run's status as one of STATUSES; an unknown status counts as none."""
    return "none" if row.status is None else row.status.value


def usual(rows: "Sequence[RunSummary]") -> "list[RunSummary]":
    """Return the runs that people want to see first; `rows` are sorted newest first."""
    groups = {status: [row for row in rows if word(row) == status] for status in STATUSES}
    shown = groups["running"] + groups["submitted"]
    room = max(0, USUAL_ROWS - len(shown))
    first, then = [], []
    for status in ("failed", "pending", "done", "none"):
        share = room // 3 if status != "none" else 0  # no group crowds out the others
        first += groups[status][:share]
        then += groups[status][share:]
    shown += [*first, *then][:room]
    return sorted(shown, key=lambda row: row.number, reverse=True)


def _wanted(
    row: "RunSummary", statuses: set[str], mode: str | None, since: datetime | None
) -> bool:
    return (
        (not statuses or word(row) in statuses)
        and (mode is None or fnmatchcase(row.mode, mode))
        and (since is None or (row.start is not None and row.start >= since))
    )


def summary(counts: Counter[str], where: str, being_taken: int) -> str:
    """Return the line above the table: the number of runs with each status."""
    words = [
        terminal.coloured(f"{counts[status]} {status}", COLOURS.get(status))
        for status in STATUSES[:-1]
        if counts[status]
    ]
    if being_taken:
        words.append(f"{being_taken} being taken")
    if counts["none"] > being_taken:
        words.append(f"{counts['none'] - being_taken} not requested")
    total = counts.total()
    return f"{total} run{'' if total == 1 else 's'} in {where}: {', '.join(words) or 'none at all'}"


def more(all_runs: Counter[str], shown: Counter[str]) -> str:
    """Return the line below the table: the number of runs not shown."""
    left = all_runs - shown
    words = [
        f"{left[status]} more {'not requested' if status == 'none' else status}"
        for status in STATUSES
        if left[status]
    ]
    return f"… and {', '.join(words)} (--all shows all runs, --failed the failed ones)"


def by_cause(grouped: "Sequence[Cause]", line: int | None) -> str:
    """Return each cause of failures with its runs, and its whole reason on lines of its own.

    Lines have at most `line` characters (None: no limit).
    """
    made = []
    for cause in grouped[:SHOWN_CAUSES]:
        one = cause.newest
        where = f" in {one.stage}" if one.stage else ""
        kind = f" ({one.failure})" if one.failure else ""
        runs = " ".join(run_numbers.words(cause.numbers))
        made.append(_wrapped(f"{len(cause.numbers)} failed{where}{kind}: {runs}", line))
        made.append(_wrapped(f"    {one.reason or 'no reason given'}", line))
    left = len(grouped) - SHOWN_CAUSES
    return "\n".join([*made, *([f"… and {left} more causes"] if left > 0 else [])])


def _wrapped(text: str, line: int | None) -> str:
    text = printable(text)
    if line is None:
        return text
    return textwrap.fill(text, line, subsequent_indent="    ", break_on_hyphens=False)


def table(rows: "Sequence[RunSummary]", now: datetime, skip_tags: Collection[str]) -> str:
    """Return the table; `now` serves to compute the time until a retry.

    For pending runs that are not taken because of one of `skip_tags`, the table says so.
    """
    return terminal.table(
        COLUMNS,
        [_cells(row, now, skip_tags) for row in rows],
        line=terminal.width(),
        colours=[COLOURS.get(word(row)) for row in rows],
        coloured_column=[column.name for column in COLUMNS].index("status"),
    )


def _cells(row: "RunSummary", now: datetime, skip_tags: Collection[str]) -> list[str]:
    active = word(row) in ("running", "submitted")
    status = word(row) if row.status is not None else str(row.status_found or "")
    if _is_being_taken(row):
        status = "being taken"
    length = amounts.duration(row.length_s)
    return [
        row.run,
        row.mode,
        amounts.time(row.start),
        length,
        amounts.size(None if row.size_mb is None else row.size_mb * 1e6),
        "" if row.source == DAQ else row.source or "",
        status,
        _stage(row) if word(row) in ("running", "failed") else "",
        str(row.attempt or ""),
        (row.host or "").partition(".")[0] if active else "",
        (row.job_id or "").partition(".")[0] if active else "",
        amounts.duration(row.age_s),
        ", ".join(filter(None, (row.verdict, "odd" if row.health == "odd" else ""))),
        _next_try(row, now),
        "; ".join(filter(None, (_held(row, skip_tags), row.reason))),
    ]


def _is_being_taken(row: "RunSummary") -> bool:
    return not row.status_found and row.end is None and row.start is not None


def _held(row: "RunSummary", skip_tags: Collection[str]) -> str:
    """Return why a run that has no recorded reason is not taken."""
    found = [tag for tag in row.tags if tag in skip_tags]
    waits = word(row) in ("pending", "none", "failed")
    return f"not taken: tag {' and '.join(found)}" if found and waits else ""


def _stage(row: "RunSummary") -> str:
    chunk, n_chunks = ((row.progress or {}).get(name) for name in ("chunk", "n_chunks"))
    return f"{row.stage or ''} {chunk}/{n_chunks}" if chunk and n_chunks else row.stage or ""


def _next_try(row: "RunSummary", now: datetime) -> str:
    if row.retry_at is None or word(row) != "failed":
        return ""
    left = (row.retry_at - now).total_seconds()
    return f"in {amounts.duration(left)}" if left > 0 else "now"
