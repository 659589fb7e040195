"""Reprocess runs whose settings or software have changed."""

import argparse

from xamsflow.cli import asking
from xamsflow.settings import config

HELP = "reprocess finished runs whose data the current settings and software would change"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser, force=True)
    parser.add_argument(
        "--beside",
        action="store_true",
        help="analysts keep getting the published data until `xamsflow lineage RUN --accept`",
    )


def run(options: argparse.Namespace) -> int:
    """Reprocess runs whose settings or software have changed."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    processed = config.load(options.configfile).storage.processed
    action = actions.beside if options.beside else actions.reprocess
    return asking.run(options, action(processed))
