"""Ask for runs to be processed: their status becomes pending."""

import argparse
import getpass

from xamsflow import config, layout

HELP = "mark runs pending, so that the next start processes them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    parser.add_argument("runs", nargs="+", type=int, metavar="RUN", help="run numbers")


def run(options: argparse.Namespace) -> int:
    """Set each run pending; one that is being worked on is left alone, and the exit code is 1."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    code = 0
    with rundb.open_database(config.load(options.configfile).rundb) as database:
        for number in options.runs:
            name = layout.run_id(number)
            if database.set_pending(number, by=getpass.getuser()):
                print(f"{name} is pending")
            else:
                view = database.runs([number])[0]
                print(f"{name} is {view.status} and stays so")
                code = 0 if view.status == "pending" else 1
    return code
