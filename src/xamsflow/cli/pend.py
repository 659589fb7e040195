"""Ask for runs to be processed: their status becomes pending."""

import argparse
import sys

from xamsflow import config, layout, owner
from xamsflow.errors import ConfigurationError

HELP = "mark runs pending, so that the next start processes them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    parser.add_argument("runs", nargs="+", type=int, metavar="RUN", help="run numbers")


def run(options: argparse.Namespace) -> int:
    """Set each run pending; one that is being worked on is left alone, and the exit code is 1."""
    from xamsflow import journal, rundb  # noqa: PLC0415 - keeps --help fast

    code = 0
    for number in options.runs:
        layout.run_id(number)
    configuration = config.load(options.configfile)
    with rundb.open_database(configuration.rundb) as database:
        journal.publish(database, configuration)  # it must not come after what is asked for now
        for number in options.runs:
            name = layout.run_id(number)
            try:
                changed = database.set_pending(number, by=owner.user())
            except ConfigurationError as error:
                print(f"xamsflow: {error}", file=sys.stderr)
                code = 1
                continue
            status = "pending" if changed else database.runs([number])[0].status
            if status == "pending":
                print(f"{name} is pending")
            else:
                print(f"{name} is {status} and stays so", file=sys.stderr)
                code = 1
    return code
