"""Show which runs are odd, and record what people know about them."""

import argparse
import json
import sys
from collections.abc import Sequence

from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.settings.config import Config
from xamsflow.state import health, layout, owner
from xamsflow.state.health import Health, Verdict
from xamsflow.views import run_files, terminal
from xamsflow.views.terminal import Column

HELP = "show which quantities of a run are unusual, and note what is known about them"
ONLY_LOOKS = True

USUAL_ROWS = 20

COLUMNS = (
    Column("run"), Column("mode", cut=12), Column("verdict"), Column("what stands out", cut=30),
    Column("known", cut=20),
)  # fmt: skip
COLOURS = {Verdict.ODD: "red", Verdict.USUAL: "green"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, and what is to be recorded."""
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help=f"{choosing.HELP} [the newest {USUAL_ROWS}]")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--known",
        metavar="TEXT",
        help="note what you know about the deviations of an odd run; later runs inherit the note "
        "until the deviations change",
    )
    what.add_argument(
        "--reference",
        action="store_true",
        help="declare the run a reference: it and later runs like it count as usual",
    )
    what.add_argument(
        "--again", action="store_true", help="judge the runs again, without notifications"
    )
    add("--json", action="store_true", help="print JSON (keys: docs/reference/json.md)")


def run(options: argparse.Namespace) -> int:
    """Show the verdicts; return 1 if one is missing or could not be published."""
    settings = config.load(options.configfile)
    numbers = choosing.on_disk(options.runs) if options.runs else []
    runs = [layout.run_id(number) for number in numbers]
    changed = _change(options, runs)
    code = _publish(changed, settings) if changed else 0
    found = {one.run_id: one for one in changed}
    for name in runs or run_files.runs()[:USUAL_ROWS]:
        if name in found:
            continue
        try:
            one = health.read(name)
        except XamsflowError as error:
            print(f"xamsflow: {error}", file=sys.stderr)
            code = 1
            continue
        if one is not None:
            found[name] = one
    shown = sorted(found.values(), key=lambda one: one.run_id, reverse=True)
    if options.json:
        print(json.dumps([one.to_json() for one in shown], indent=1))
    elif shown:
        print(_table(shown))
    if lacking := sorted(set(runs) - found.keys()):
        named = choosing.named(map(layout.run_number, lacking))
        print(f"xamsflow: not judged, because they have no quantities: {named}", file=sys.stderr)
        return 1
    return code


def _change(options: argparse.Namespace, runs: Sequence[str]) -> list[Health]:
    from xamsflow.analysis.health import judging  # noqa: PLC0415 - keeps --help fast

    if options.again:
        return judging.judge_again(runs or run_files.runs())
    if options.known is None and not options.reference:
        return []
    if len(runs) != 1:
        raise ConfigurationError("--known and --reference require a single run", "give one run")
    if options.reference:
        return judging.name_reference(runs[0], owner.user())
    if not options.known.strip():
        raise ConfigurationError("--known is empty", "give the text of the note")
    return judging.acknowledge(runs[0], options.known, owner.user())


def _publish(changed: Sequence[Health], settings: Config) -> int:
    from xamsflow.analysis.health import judging  # noqa: PLC0415 - keeps --help fast

    try:
        judging.publish_all(changed, settings)
    except TransientError as error:
        print(
            f"xamsflow: saved on disk, but not in the run documents: {error}; then use --again",
            file=sys.stderr,
        )
        return 1
    return 0


def _table(found: Sequence[Health]) -> str:
    rows = [
        [
            one.run_id,
            one.mode,
            one.verdict.value,
            _words(one),
            "; ".join(f"{note.text} ({note.by})" for note in one.known),
        ]
        for one in found
    ]
    colours = [COLOURS.get(one.verdict) for one in found]
    return terminal.table(COLUMNS, rows, line=terminal.width(), colours=colours, coloured_column=2)


def _words(one: Health) -> str:
    """Return what stands out, or why there is no verdict."""
    if _is_special(one):
        return one.reference
    suspects = [f"odd if the next run has it as well: {each}" for each in one.suspects]
    return "; ".join([*map(str, one.odd), *suspects])


def _is_special(one: Health) -> bool:
    return one.verdict is Verdict.UNKNOWN or one.named_by is not None
