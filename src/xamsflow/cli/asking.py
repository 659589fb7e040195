"""The steps shared by all commands that change run documents: select runs, show, confirm, act."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.cli import choosing, next_step
from xamsflow.settings import config
from xamsflow.state import layout, owner, run_numbers
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.operate.actions import Action, Outlook
    from xamsflow.rundb import RunDatabase

SHOWN_ROWS = 30
"""Maximum number of rows; nobody reads a longer table before confirming. The rest is counted."""

PENDING = "pending"
"""The outcome of actions after which runs wait for the workflow."""

COLUMNS = (Column("run"), Column("mode", cut=12), Column("status", drop=1), Column("will be"))


@dataclass(frozen=True)
class First:
    """An action before the runs change, and its wording in the confirmation question."""

    question: str
    do: Callable[[], None]


@dataclass(frozen=True)
class _Chosen:
    number: int
    document: Mapping[str, Any]
    outlook: "Outlook"
    named: bool


def add_arguments(parser: argparse.ArgumentParser, *, force: bool = False) -> None:
    """Add the selection of runs, the reason, confirmation, and `force` if supported."""
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help=choosing.HELP)
    add(
        "--mode",
        action="append",
        metavar="PATTERN",
        help="select runs whose mode matches, e.g. '*led*'",
    )
    add("--tag", action="append", metavar="TAG", help="select runs that have this tag")
    add("--reason", metavar="TEXT", help="record this reason in the run document")
    add("--yes", action="store_true", help="do not ask for confirmation")
    add("--dry-run", action="store_true", help="show what would be done without doing it")
    parser.set_defaults(all_runs=False)
    if force:
        add(
            "--force",
            action="store_true",
            help="include done runs, which are then republished, and runs claimed by another tool, "
            "but never runs that an xamsflow driver is processing",
        )
    else:
        parser.set_defaults(force=False)


def run(options: argparse.Namespace, action: "Action") -> int:
    """Apply the action to the selected runs; return 0 only if it applies to all that were named.

    Runs selected by range, mode or tag to which the action does not apply are left unchanged.
    """
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.run import journal  # noqa: PLC0415 - keeps --help fast

    if not (options.runs or options.mode or options.tag or options.all_runs):
        raise ConfigurationError(
            f"{action.name} needs runs",
            "give run numbers, ranges such as 932-940, --mode or --tag",
        )
    configuration = config.load(options.configfile)
    with rundb.open_database(configuration.rundb) as database:
        if not options.dry_run:
            journal.publish(
                database, configuration
            )  # an earlier outcome must not be published after this request
        documents = _selected(database, options)
        if not documents:
            print("No runs match.")
            return 1
        named = run_numbers.single(run_numbers.parse_all(options.runs))
        return act(database, configuration, options, action, documents=documents, named=named)


def act(
    database: "RunDatabase",
    configuration: config.Config,
    options: argparse.Namespace,
    action: "Action",
    *,
    documents: Mapping[int, Mapping[str, Any]],
    named: Collection[int],
    first: First | None = None,
) -> int:
    """Show what the action would change, ask, and do it; return the exit code.

    `documents` maps numbers to run documents; `named` are the runs for which a refusal is an error.
    """
    chosen = [
        _Chosen(number, document, action.judge(document, options.force), number in named)
        for number, document in sorted(documents.items(), reverse=True)
    ]
    to_do = [one for one in chosen if one.outlook.changes]
    _show(chosen, options.dry_run)
    refused = sum(one.outlook.refused and one.named for one in chosen)
    if options.dry_run or not (to_do or first):
        return 1 if refused else 0
    if not options.yes and not confirmed(_question(action, len(to_do), first)):
        print("Nothing was changed.")
        return 1
    if first is not None:
        first.do()
    code = _do(database, action, options.reason, to_do) if to_do else 0
    if action.outcome == PENDING and to_do:
        print(next_step.of_pending_runs(configuration, options.configfile))
    return code or (1 if refused else 0)


def _selected(database: "RunDatabase", options: argparse.Namespace) -> dict[int, Mapping[str, Any]]:
    from xamsflow.operate import actions  # noqa: PLC0415 - pymongo's part of bson takes its time

    found = choosing.in_database(options.runs, database, actions.FIELDS)
    return {number: run for number, run in found.items() if matches(run, options.mode, options.tag)}


def matches(
    document: Mapping[str, Any], modes: Sequence[str] | None, tags: Sequence[str] | None
) -> bool:
    """Return whether a run has one of these modes (patterns) and one of these tags (None: any)."""
    from xamsflow.rundb import run_document  # noqa: PLC0415

    mode = run_document.mode(document)
    return (modes is None or any(fnmatchcase(mode, pattern) for pattern in modes)) and (
        tags is None or bool(set(tags) & set(run_document.tag_names(document)))
    )


def _show(chosen: Sequence[_Chosen], dry_run: bool) -> None:
    listed = [one for one in chosen if one.outlook.changes or one.named]
    if listed:
        rows = [_cells(one) for one in listed[:SHOWN_ROWS]]
        print(terminal.table(COLUMNS, rows, line=terminal.width()))
    if len(listed) > SHOWN_ROWS:
        print(f"… and {len(listed) - SHOWN_ROWS} more")
    left = Counter(one.outlook.effect for one in chosen if not (one.outlook.changes or one.named))
    for effect, count in left.most_common(5):
        print(f"{count} {'run' if count == 1 else 'runs'} unchanged: {effect}")
    if dry_run:
        print("Nothing was changed (--dry-run).")


def _cells(one: _Chosen) -> list[str]:
    from xamsflow.rundb import run_document  # noqa: PLC0415

    status = run_document.status(one.document)
    effect = one.outlook.effect
    return [
        layout.run_id(one.number),
        run_document.mode(one.document),
        "" if status is None else f"{status!s:.30}",
        effect if one.outlook.changes else f"(unchanged) {effect}",
    ]


def _question(action: "Action", count: int, first: First | None) -> str:
    runs = "this run" if count == 1 else f"these {count} runs"
    parts = ([first.question] if first else []) + ([f"{action.question} {runs}"] if count else [])
    text = " and ".join(parts)
    return f"{text[0].upper()}{text[1:]}"


def confirmed(question: str) -> bool:
    """Ask at the terminal; raise ConfigurationError if there is none."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was changed: confirmation requires a terminal",
            "add --yes to proceed, or --dry-run to preview",
        )
    try:
        answer = input(f"{question}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _do(
    database: "RunDatabase", action: "Action", reason: str | None, to_do: Sequence[_Chosen]
) -> int:
    from xamsflow.operate.actions import Author  # noqa: PLC0415
    from xamsflow.rundb.status import state  # noqa: PLC0415

    author = Author(owner.user(), action.name, reason)
    changed = 0
    for one in to_do:
        why = "somebody else has changed it in the meantime"
        try:
            if action.change(database, one.number, author, state(one.document)):
                changed += 1
                continue
        except BadDataError as error:  # it affects only this run
            why = str(error)
        print(f"xamsflow: {layout.run_id(one.number)} was not changed: {why}", file=sys.stderr)
    print(f"{changed} run{'' if changed == 1 else 's'} {action.outcome}.")
    return 0 if changed == len(to_do) else 1
