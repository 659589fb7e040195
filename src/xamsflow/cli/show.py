"""Show everything about runs."""

import argparse
import json

from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.state import layout
from xamsflow.views import terminal

HELP = "show everything about a run: history, files, quality, logs, receipts"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON, a list for several runs (keys: docs/reference/json.md)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the dossiers; if the run database cannot be reached, use local files and return 1."""
    from xamsflow.views import dossier, dossier_text  # noqa: PLC0415 - keeps --help fast

    found = choosing.documents(options.runs, config.load(options.configfile))
    made = [
        dossier.collect(layout.run_id(number), document and document | {"now": found.now})
        for number, document in found.by_number.items()
    ]
    made = [one for one in made if found.complete or one["receipts"] or one["logs"]]
    if options.json and made:
        print(json.dumps(made if len(found.by_number) > 1 else made[0], indent=1))
    elif made:
        width = terminal.width()
        print("\n\n".join(dossier_text.text(one, line=width) for one in made))
    return 0 if found.complete else 1
