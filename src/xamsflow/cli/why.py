"""Explain why runs are or are not processed, condition by condition."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.base.printable import printable
from xamsflow.cli import choosing, next_step
from xamsflow.settings import config
from xamsflow.settings.config import DAQ, Config
from xamsflow.state import layout, receipts
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase, RunSummary
    from xamsflow.rundb.selection import Condition

HELP = "explain why a run is or is not processed, and what to do about it"
ONLY_LOOKS = True

COLUMNS = (Column("ok"), Column("condition", cut=30), Column("found", cut=16), Column("what to do"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON, a list for several runs (keys: docs/reference/json.md)",
    )


@dataclass(frozen=True)
class _Answer:
    run: str
    said: str
    conditions: "Sequence[Condition]"
    by_itself: "Sequence[Condition]"
    live_data: Sequence[str]
    other_tools: Sequence[str]


def run(options: argparse.Namespace) -> int:
    """Print the answer in a sentence and, for a single run, the conditions it is based on."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    settings = config.load(options.configfile)
    with rundb.open_database(settings.rundb) as database:
        found = choosing.in_database(options.runs, database)
        answers = [_ask(database, settings, document) for document in found.values()]
    if options.json:
        told = [
            {
                "run": one.run,
                "answer": one.said,
                "live_data": list(one.live_data),
                "other_tools": list(one.other_tools),
                "conditions": [asdict(condition) for condition in one.conditions],
                "conditions_to_be_asked_for_by_watch": [asdict(each) for each in one.by_itself],
            }
            for one in answers
        ]
        print(json.dumps(told if len(told) > 1 else told[0], indent=1))
        return 0
    for one in answers:
        print(one.said)
    if len(answers) > 1:
        print("\nTo see all conditions of a run, give its number alone to xamsflow why.")
        return 0
    (only,) = answers
    if all(condition.ok for condition in only.conditions):
        print(next_step.of_pending_runs(settings, options.configfile))
    print()
    print(_table("to be processed", only.conditions))
    if only.by_itself:
        print()
        print(_table("to be requested by xamsflow watch", only.by_itself))
    print()
    for line in (*only.live_data, *only.other_tools):
        print(printable(line))
    return 0


def _ask(database: "RunDatabase", settings: Config, document: dict[str, Any]) -> _Answer:
    from xamsflow import rundb  # noqa: PLC0415
    from xamsflow.rundb import selection  # noqa: PLC0415
    from xamsflow.rundb.status import State, state  # noqa: PLC0415

    number, now = document["number"], document["now"]
    conditions = selection.conditions(document, settings.select, now)
    conditions += _of_all_runs(database, settings, number, conditions)
    by_itself: list[Condition] = []
    if state(document) is State.ABSENT:
        by_itself = selection.conditions_to_ask(document, settings.select, settings.watch, now)
    said = answer(rundb.RunSummary.of(document), document, conditions, by_itself)
    about = live_data(document, settings), other_tools(document)
    return _Answer(layout.run_id(number), said, conditions, by_itself, *about)


def live_data(document: Mapping[str, Any], settings: Config) -> list[str]:
    """Return lines on where the live data come from, without contacting any host."""
    from xamsflow.transfer import Search  # noqa: PLC0415 - keeps --help fast

    run = layout.run_id(document["number"])
    try:
        found = receipts.read_transfer(layout.transfer_receipt(run)).get("source") or {}
    except (XamsflowError, OSError):
        found = None
    if found is not None:
        name = found.get("name", DAQ)  # receipts of earlier versions have none
        place = f"{found.get('host')}:{found.get('path')}"
        first = (
            "Live data: complete here, but no source had them for comparison"
            if name is None
            else f"Live data: here, from {name} ({place})"
        )
        return [first, *(f"  not from {one}" for one in found.get("passed_over") or ())]
    try:
        search = Search(document, settings.daq, settings.sources)
    except XamsflowError as error:
        return [f"Live data: {error}"]
    places = ", then ".join(map(str, search.where))
    first = f"Live data: to be copied from {places or 'nowhere'}"
    return [first, *(f"  not from {one}" for one in search.passed_over)]


def other_tools(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each tool and host whose own strax data do not count here."""
    from xamsflow.rundb import registered, run_document  # noqa: PLC0415

    found: dict[str, set[str]] = {}
    for entry in run_document.data_entries(document):
        tool = registered.tool(entry)
        if tool is not registered.Tool.XAMSFLOW and entry.get("type") != run_document.LIVE:
            name = "another tool" if tool is registered.Tool.UNKNOWN else tool.value
            found.setdefault(f"{name} on {entry.get('host')}", set()).add(str(entry.get("type")))
    return [
        f"Not counted here: {', '.join(sorted(types))} by {place} (xamsflow show)"
        for place, types in found.items()
    ]


def answer(
    row: "RunSummary",
    document: Mapping[str, Any],
    conditions: "Sequence[Condition]",
    by_itself: "Sequence[Condition]",
) -> str:
    """Return the state of a run and what a person can do, in a sentence or two.

    `document` holds the server's time as `now`.
    """
    from xamsflow.rundb.status import State, state  # noqa: PLC0415

    found = state(document)
    unmet = [condition for condition in conditions if not condition.ok]
    if found in (State.SUBMITTED, State.RUNNING):
        return _worked_on(row, document)
    if found is State.DONE and unmet:
        done = f"{row.run} has been done since {amounts.time(row.changed)} UTC: {unmet[0].remedy}."
        odd = f" It is odd: see `xamsflow health {document['number']}`."
        return f"{done}{odd if row.health == 'odd' else ''}"
    if not unmet:
        return (
            f"{row.run} is waiting: the next `snakemake` run or `xamsflow watch` will process it."
        )
    if found is State.FAILED:
        log = f" (log: {row.log})" if row.log else ""
        stage = f" in {row.stage}" if row.stage else ""
        first = f"{row.run} failed{stage}: {row.reason or 'no reason given'}{log}."
        return f"{first} Next: {unmet[0].remedy}."
    if by_itself and all(condition.ok for condition in by_itself):
        return (
            f"{row.run} has ended, but nobody has requested it: a running xamsflow watch will, or "
            f"{unmet[0].remedy}."
        )
    one = unmet[0]
    condition = f"{one.name} ({one.found})"
    return f"{row.run} is not processed. Unmet condition: {condition}. Next: {one.remedy}."


def _worked_on(row: "RunSummary", document: Mapping[str, Any]) -> str:
    from xamsflow.run import selecting  # noqa: PLC0415
    from xamsflow.rundb import ClaimedRun  # noqa: PLC0415

    claimed = ClaimedRun.of(document)
    if claimed is not None and selecting.has_died(claimed):
        then = (
            "the next `snakemake` run or a running xamsflow watch will take it over."
            if selecting.is_stranded(claimed)
            else f"its outcome is kept in {layout.JOURNAL} until it is in the run document."
        )
        return f"{row.run} is {row.status}, but its driver {row.owner} has died: {then}"
    where = f" on {row.host}" if row.host else ""
    job = f", job {row.job_id}" if row.job_id else ""
    log = f" (log: {row.log})" if row.log else ""
    what = f"{row.stage} is running{where}{job}{log}" if row.stage else "no job has started yet"
    since = f"since {amounts.time(row.changed)} UTC"
    return f"{row.run} has been {row.status} {since} (driver {row.owner}): {what}. Please wait."


def _of_all_runs(
    database: "RunDatabase", settings: Config, number: int, conditions: "Sequence[Condition]"
) -> "list[Condition]":
    """Return the conditions that depend on more than the run itself."""
    from xamsflow.rundb.selection import Condition  # noqa: PLC0415

    found = []
    newest = settings.select.newest
    if newest is not None and all(condition.ok for condition in conditions):
        waiting = database.pending(replace(settings.select, newest=None))
        place = [run.number for run in waiting].index(number) + 1
        found.append(
            Condition(
                f"it is one of the {newest} newest waiting runs (select.newest)",
                f"number {place} of {len(waiting)}",
                place <= newest,
                "wait until newer runs are done, or change select.newest",
            )
        )
    switch = settings.watch.switch
    if switch is not None:
        remedy = f"set status: on in {switch}; a manual `snakemake` run ignores it"
        try:
            status = database.switch(switch)
        except ConfigurationError as error:
            status, remedy = "cannot be read", error.remedy
        found.append(
            Condition(
                f"for xamsflow watch: {switch} is not off",
                status or "not set",
                status not in ("off", "cannot be read"),
                remedy,
            )
        )
    return found


def _table(title: str, conditions: "Sequence[Condition]") -> str:
    rows = [
        (
            "yes" if condition.ok else "NO",
            condition.name,
            condition.found,
            "" if condition.ok else condition.remedy,
        )
        for condition in conditions
    ]
    colours = [None if condition.ok else "red" for condition in conditions]
    columns = (COLUMNS[0], replace(COLUMNS[1], name=title), *COLUMNS[2:])
    return terminal.table(columns, rows, line=terminal.width(), colours=colours)
