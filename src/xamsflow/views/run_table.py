"""The table of runs: which runs people want to see, and what the table says about each."""

import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from xamsflow.base import amounts
from xamsflow.base.printable import printable
from xamsflow.settings.config import DAQ
from xamsflow.state import run_numbers, watching
from xamsflow.views import terminal
from xamsflow.views.causes import Causes
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.rundb import RunSummary
    from xamsflow.views.causes import Cause

STATUSES = ("running", "submitted", "pending", "failed", "done", "none")
"""In the order of the summary; `none` stands for runs that nobody has requested."""

COLOURS = {"running": "cyan", "submitted": "cyan", "failed": "red", "done": "green"}
USUAL_ROWS = 20

SETTLED = ("pending", "failed", "done", "none")
"""Of runs with these statuses, beyond USUAL_ROWS, only the number is shown."""

MARK = "*"
"""In front of a run that has changed."""

COLUMNS = (
    Column(""),
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


class Tally:
    """What is counted while runs pass: `found` are all, `counts` the wanted ones by status.

    `where` names the collection of the run documents.
    """

    def __init__(self, where: str, wanted: "Callable[[RunSummary], bool]") -> None:
        self.where = where
        self.found: set[int] = set()
        self.counts: Counter[str] = Counter()
        self.being_taken = 0
        self.causes = Causes()
        self._wanted = wanted

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

    def head(self) -> str:
        """Return whether a watch is alive, and the counts."""
        watch = watching.current()
        told = [] if watch is None else [(str(watch), None if watch.is_well else "red")]
        lines = [terminal.coloured(printable(text), colour) for text, colour in told]
        return "\n".join([*lines, summary(self.counts, self.where, self.being_taken)])

    def causes_of_failures(self, line: int | None) -> str:
        """Return why runs failed, in lines of at most `line` characters (None: no limit).

        Empty if the table already says so in full.
        """
        grouped = self.causes.most_frequent_first()
        # The table cuts reasons at a narrow terminal.
        if any(len(cause.numbers) > 1 for cause in grouped) or (grouped and line is not None):
            return by_cause(grouped, line)
        return ""


def word(row: "RunSummary") -> str:
    """Return a run's status as one of STATUSES; an unknown status counts as none."""
    return "none" if row.status is None else row.status.value


def usual(rows: "Sequence[RunSummary]", most: int = USUAL_ROWS) -> "list[RunSummary]":
    """Return the runs that people want to see first, and all in progress; newest first.

    `rows` are sorted in this order. More than `most` are returned only if they are in progress.
    """
    groups = {status: [row for row in rows if word(row) == status] for status in STATUSES}
    shown = groups["running"] + groups["submitted"]
    room = max(0, most - len(shown))
    first, then = [], []
    for status in ("failed", "pending", "done", "none"):
        share = room // 3 if status != "none" else 0  # no group crowds out the others
        first += groups[status][:share]
        then += groups[status][share:]
    shown += [*first, *then][:room]
    return sorted(shown, key=lambda row: row.number, reverse=True)


def candidates(rows: "Iterable[RunSummary]", tally: Tally) -> "list[RunSummary]":
    """Return the runs among which `usual` chooses, without the many settled ones.

    `tally` counts the runs while they pass.
    """
    return [
        row for row in rows if word(row) not in SETTLED or tally.counts[word(row)] <= USUAL_ROWS
    ]


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


def table(
    rows: "Sequence[RunSummary]",
    now: datetime,
    skip_tags: Collection[str],
    line: int | None,
    marked: Collection[int] | None = None,
) -> str:
    """Return the table, in lines of at most `line` characters (None: no limit).

    `now` serves to compute the time until a retry. For pending runs that are not taken because of
    one of `skip_tags`, the table says so. The numbers in `marked` get a mark; None: there is
    no room for marks.
    """
    return terminal.table(
        COLUMNS,
        [[_mark(row, marked), *_cells(row, now, skip_tags)] for row in rows],
        line=line,
        colours=[COLOURS.get(word(row)) for row in rows],
        coloured_column=[column.name for column in COLUMNS].index("status"),
    )


def _mark(row: "RunSummary", marked: Collection[int] | None) -> str:
    """Return the mark, or a blank where one may come, so that the table does not move."""
    if marked is None:
        return ""
    return MARK if row.number in marked else " "


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
    return f"skipped: tag {' and '.join(found)}" if found and waits else ""


def _stage(row: "RunSummary") -> str:
    chunk, n_chunks = ((row.progress or {}).get(name) for name in ("chunk", "n_chunks"))
    return f"{row.stage or ''} {chunk}/{n_chunks}" if chunk and n_chunks else row.stage or ""


def _next_try(row: "RunSummary", now: datetime) -> str:
    if row.retry_at is None or word(row) != "failed":
        return ""
    left = (row.retry_at - now).total_seconds()
    return f"in {amounts.duration(left)}" if left > 0 else "now"
