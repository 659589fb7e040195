"""The self-updating table of runs for ``xamsflow status --watch``.

A thread reads the run database, so that keys and signals work while the server does not respond.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from textwrap import wrap
from typing import TYPE_CHECKING

from xamsflow.base import amounts, clock
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.base.printable import printable
from xamsflow.views import run_table, terminal
from xamsflow.views import screen as screens
from xamsflow.views.run_table import Tally

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase, RunSummary

INTERVAL_S = 5.0
"""Time between two queries of the run database."""

BUSY = 0.25
"""Maximum fraction of time spent on queries, which take seconds in a large database."""

MARKED_S = 30.0
"""How long a change stays marked, so that people who look only now and then notice it."""

CLOCK_S = 1.0
"""Time between two redraws of the first line."""

MOST_ROWS = 1000
MOST_OF_TROUBLE = 3
"""Maximum number of lines that explain why the run database cannot be read."""

BESIDE = 4
"""Lines around the table's rows: a blank line, two header lines, the count of other runs."""


@dataclass(frozen=True)
class Choice:
    """The runs to show: those `wanted` among `numbers`, at most `newest` of them.

    If `everything` is false, show only the runs that people usually want to see.
    """

    numbers: Sequence[range] | None
    wanted: "Callable[[RunSummary], bool]"
    newest: int | None
    everything: bool
    skip_tags: Sequence[str]


@dataclass(frozen=True)
class Look:
    """The result of a query of the run database; `digests` summarize each run."""

    time: datetime
    tally: Tally
    rows: "Sequence[RunSummary]"
    digests: Mapping[int, int]


@dataclass
class State:
    """The current state: the last result, any trouble since then, and when each run changed."""

    look: Look | None = None
    trouble: str | None = None
    away_since: datetime | None = None
    changed: dict[int, float] = field(default_factory=dict)

    def found(self, look: Look) -> None:
        """Record a result, and the runs that differ from the previous one."""
        now = time.monotonic()
        before = None if self.look is None else self.look.digests
        if before is not None:
            news = {run for run, digest in look.digests.items() if before.get(run) != digest}
            # A new dict each time: the other thread may be going through this one.
            self.changed = {**self.changed, **dict.fromkeys(news, now)}
        self.changed = {run: at for run, at in self.changed.items() if now - at < MARKED_S}
        self.look, self.trouble, self.away_since = look, None, None

    def failed(self, error: XamsflowError) -> None:
        """Record that a query failed."""
        self.trouble = str(error)
        self.away_since = self.away_since or clock.now()

    def marked(self) -> set[int]:
        """Return the runs that have changed recently."""
        now = time.monotonic()
        return {run for run, at in self.changed.items() if now - at < MARKED_S}


def run(
    choice: Choice,
    open_database: "Callable[[], contextlib.AbstractContextManager[RunDatabase]]",
    check: "Callable[[RunDatabase], None]",
) -> int:
    """Show the table until someone presses q, or print it again whenever it changes.

    `check` is called with the database at the first query. Raises ConfigurationError if that query
    fails for any reason other than an outage.
    """
    if screens.is_possible():
        return _on_screen(choice, open_database, check)
    return _plain(choice, open_database, check)


def _on_screen(
    choice: Choice,
    open_database: "Callable[[], contextlib.AbstractContextManager[RunDatabase]]",
    check: "Callable[[RunDatabase], None]",
) -> int:
    state, errors = State(), list[Exception]()
    with screens.Screen() as screen:

        def look_always() -> None:
            try:
                for _ in _looks(choice, state, open_database, check):
                    screen.wake()
            except Exception as error:  # raised again in the main thread
                errors.append(error)
                screen.wake()

        threading.Thread(target=look_always, name="looks", daemon=True).start()
        while not errors:
            columns, lines = screen.size
            shown = frame(state, choice, columns, lines)
            screen.draw([terminal.clip(line, columns) for line in shown])
            try:
                typed = screen.key(CLOCK_S)
            except (EOFError, OSError):  # the terminal is gone
                return 0
            if typed is not None and "q" in typed.lower():
                return 0
    raise errors[0]


def _plain(
    choice: Choice,
    open_database: "Callable[[], contextlib.AbstractContextManager[RunDatabase]]",
    check: "Callable[[RunDatabase], None]",
) -> int:
    state, before = State(), None
    for _ in _looks(choice, state, open_database, check):
        known = (state.look and state.look.digests, state.trouble)
        if known != before:
            print("\n".join([*frame(state, choice, None, None), ""]))
            sys.stdout.flush()
        before = known
    return 0


def _looks(
    choice: Choice,
    state: State,
    open_database: "Callable[[], contextlib.AbstractContextManager[RunDatabase]]",
    check: "Callable[[RunDatabase], None]",
) -> Iterable[None]:
    """Query repeatedly, and yield after each query; an outage is recorded and waited out."""
    while True:
        try:
            with open_database() as database:
                if state.look is None:
                    check(database)
                while True:
                    began = time.monotonic()
                    state.found(_look(choice, database))
                    took = time.monotonic() - began
                    yield
                    time.sleep(max(INTERVAL_S, took / BUSY))
        except XamsflowError as error:
            if isinstance(error, ConfigurationError) and state.look is None:
                raise
            state.failed(error)
            yield
        time.sleep(INTERVAL_S)


def _look(choice: Choice, database: "RunDatabase") -> Look:
    tally = Tally(database.name, choice.wanted)
    digests: dict[int, int] = {}

    def noted(rows: "Iterable[RunSummary]") -> "Iterable[RunSummary]":
        for row in rows:
            digests[row.number] = _digest(row)
            yield row

    rows = noted(tally.of(database.each_run(choice.numbers)))
    if choice.everything:
        shown = list(islice(rows, min(choice.newest or MOST_ROWS, MOST_ROWS)))
        for _ in rows:  # the others are only counted
            pass
    else:
        shown = run_table.candidates(rows, tally)
    return Look(clock.now(), tally, shown, digests)


def _digest(row: "RunSummary") -> int:
    """Return a digest of the properties whose change people would notice; the age is left out."""
    chunk = (row.progress or {}).get("chunk")
    found = (row.status_found, row.end, row.stage, chunk, row.attempt, row.host, row.job_id)
    return hash(repr((*found, row.verdict, row.health, row.reason, row.tags, row.retry_at)))


def frame(state: State, choice: Choice, columns: int | None, lines: int | None) -> list[str]:
    """Return all lines for a screen of this size (None: no limit)."""
    look = state.look
    top = [_first_line(state, on_screen=lines is not None)]
    if state.trouble is not None:
        trouble = (
            [printable(state.trouble)]
            if columns is None
            else wrap(printable(state.trouble), columns)
        )
        top += [terminal.coloured(line, "red") for line in trouble[:MOST_OF_TROUBLE]]
    if look is None:
        return top if state.trouble is not None else [*top, "reading the run database …"]
    for line in look.tally.head().splitlines():
        top += [line] if columns is None else terminal.wrap_list(line, columns)
    room = None if lines is None else max(1, lines - len(top) - BESIDE)
    if choice.everything:
        shown = list(look.rows[:room])
    else:
        shown = run_table.usual(look.rows, min(run_table.USUAL_ROWS, room or MOST_ROWS))[:room]
    if shown:
        marked = state.marked()
        told = run_table.table(shown, look.time, choice.skip_tags, columns, marked).splitlines()
        top += ["", *map(_emphasized, told)]
    left = look.tally.counts.total() - len(shown)
    rest = [f"… and {left} more runs"] if left > 0 else []
    causes = look.tally.causes_of_failures(columns)
    below = [*rest, *(["", *causes.splitlines()] if causes else [])]
    return [*top, *below]


def _first_line(state: State, *, on_screen: bool) -> str:
    now = clock.now()
    keys = "q quits   " if on_screen else ""
    if state.away_since is not None:
        since = f"{state.away_since:%H:%M:%S}"
        shown = f", showing {state.look.time:%H:%M:%S}" if state.look else ""
        text = f"{keys}NO RUN DATABASE since {since}{shown}, now {now:%H:%M:%S} UTC"
        return terminal.coloured(text, "red")
    age = 0.0 if state.look is None else (now - state.look.time).total_seconds()
    seen = f"   read {amounts.duration(age)} ago" if age >= 2 * INTERVAL_S else ""
    marks = f"   {run_table.MARK} changed in the last {MARKED_S:.0f} s" if state.marked() else ""
    return terminal.coloured(f"{keys}{now:%Y-%m-%d %H:%M:%S} UTC{seen}{marks}", "bold")


def _emphasized(line: str) -> str:
    """Return the line in bold if it is marked, keeping the color of its status."""
    if not line.startswith(run_table.MARK):
        return line
    bold = terminal.coloured("\0", "bold").partition("\0")[0]
    return terminal.coloured(line.replace("\x1b[0m", f"\x1b[0m{bold}"), "bold")
