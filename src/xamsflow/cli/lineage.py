"""Show which lineage of runs analysts get, and switch to the other one."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.cli import asking, choosing
from xamsflow.settings import config
from xamsflow.state import compared, layout, lineages, owner
from xamsflow.state.lineages import Kept
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

HELP = "show which data of reprocessed runs analysts get, and switch between earlier and new data"
ONLY_LOOKS = True

COLUMNS = (
    Column("run"), Column("in use"), Column("since"), Column("by"), Column("reason", cut=12),
    Column("compared", drop=1),
)  # fmt: skip

EARLIER, NEW = "earlier", "new"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, and the lineage to switch to."""
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help=f"{choosing.HELP} [all with earlier data]")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--keep",
        action="store_true",
        help="keep the published data in use, even if the settings change",
    )
    what.add_argument(
        "--accept",
        action="store_true",
        help="switch to the new data, after comparing them with `xamsflow compare`",
    )
    what.add_argument("--back", action="store_true", help="switch back to the earlier data")
    add("--reason", metavar="TEXT", default="", help="record this reason with the data")
    add("--yes", action="store_true", help="do not ask for confirmation")
    add("--json", action="store_true", help="print JSON (keys: docs/reference/json.md)")


def run(options: argparse.Namespace) -> int:
    """Change or show the runs; return 1 if a named run could not be changed."""
    processed = config.load(options.configfile).storage.processed
    change = _change(options)
    if change is not None and not options.runs:
        raise ConfigurationError("no runs were given", "give run numbers or ranges such as 932-940")
    if change is None:
        return _show(_runs(options.runs, processed, all_of=False), processed, as_json=options.json)
    runs = _runs(options.runs, processed, all_of=options.keep)
    if not options.yes and not asking.confirmed(_question(options, len(runs))):
        print("Nothing was changed.")
        return 1
    changed, code = [], 0
    for name in runs:
        try:
            change(processed, name, owner.user(), options.reason)
            changed.append(name)
        except XamsflowError as error:
            print(f"xamsflow: {error}", file=sys.stderr)
            code = 1
    return max(code, _show(changed, processed, as_json=options.json)) if changed else code


def _change(options: argparse.Namespace) -> Callable[[Path, str, str, str], Kept] | None:
    from xamsflow.operate.lineages import accept  # noqa: PLC0415 - keeps --help fast

    if options.keep:
        return lineages.keep
    if options.accept:
        return accept
    return lineages.back if options.back else None


def _question(options: argparse.Namespace, n_runs: int) -> str:
    runs = "this run" if n_runs == 1 else f"these {n_runs} runs"
    if options.keep:
        return f"Keep the published data of {runs} in use"
    return f"Switch {runs} {'to the new' if options.accept else 'back to the earlier'} data"


def _runs(words: Sequence[str], processed: Path, *, all_of: bool) -> list[str]:
    """Return the named runs that have a record; with `all_of`, also those without."""
    recorded = lineages.recorded(processed)
    if not words:
        return recorded
    if all_of:
        return [layout.run_id(number) for number in choosing.on_disk(words)]
    found = choosing.numbers(
        words, lambda: map(layout.run_number, recorded), "among those with earlier data"
    )
    return [layout.run_id(number) for number in found]


def _show(runs: Sequence[str], processed: Path, *, as_json: bool) -> int:
    code, found = 0, []
    for name in runs:
        try:
            kept = lineages.read(processed, name)
            if kept is not None:
                found.append((kept, compared.read(name)))
        except XamsflowError as error:
            print(f"xamsflow: {error}", file=sys.stderr)
            code = 1
    if as_json:
        print(json.dumps([_to_json(*one) for one in found], indent=1, ensure_ascii=False))
    elif found:
        rows = [
            [
                kept.run_id,
                NEW if kept.accepted else EARLIER,
                kept.time[:16].replace("T", " "),
                kept.by,
                kept.reason,
                "" if receipt is None else receipt.time[:16].replace("T", " "),
            ]
            for kept, receipt in found
        ]
        print(terminal.table(COLUMNS, rows, line=terminal.width()))
    elif not runs:
        print("No earlier data are kept; the current settings apply to all runs.")
    return code


def _to_json(kept: Kept, receipt: compared.Compared | None) -> dict[str, Any]:
    about = asdict(kept)
    in_force = NEW if about.pop("accepted") else EARLIER
    return about | {
        "in_force": in_force,
        "compared": None if receipt is None else {"time": receipt.time, "report": receipt.report},
    }
