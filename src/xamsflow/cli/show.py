"""Everything about one run."""

import argparse
import json
import sys

from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.settings import config
from xamsflow.state import layout, run_numbers
from xamsflow.views import terminal

HELP = "show everything about a run: history, files, quality, logs, receipts"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run."""
    parser.add_argument("run", metavar="RUN", help="a run number")
    parser.add_argument(
        "--json", action="store_true", help="as JSON, the keys are in docs/reference/json.md"
    )


def run(options: argparse.Namespace) -> int:
    """Print a run's dossier; without the run database what files say of it, and return 1."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.views import dossier, dossier_text  # noqa: PLC0415 - keeps --help fast

    number = one_run(options.run)
    code, document = 0, None
    try:
        with rundb.open_database(config.load(options.configfile).rundb) as database:
            document = database.get(number)
            document["now"] = database.now()
    except TransientError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        code = 1
    made = dossier.collect(layout.run_id(number), document)
    if document is None and not (made["receipts"] or made["logs"]):
        return code
    print(
        json.dumps(made, indent=1)
        if options.json
        else dossier_text.text(made, line=terminal.width())
    )
    return code


def one_run(word: str) -> int:
    """Return the number of the one run that a person asks for."""
    numbers = run_numbers.parse(word)
    if len(numbers) > 1:
        raise ConfigurationError(f"{word} are several runs", "give the number of one run")
    return numbers.start
