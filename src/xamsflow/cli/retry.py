"""Try failed runs again."""

import argparse

from xamsflow.cli import asking

HELP = "mark failed runs pending and reset their attempt count"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser)
    parser.add_argument(
        "--failed", action="store_true", dest="all_runs", help="all runs that have failed"
    )


def run(options: argparse.Namespace) -> int:
    """Try failed runs again."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.RETRY)
