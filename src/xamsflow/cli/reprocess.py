"""Make the data of runs again if settings or software have changed."""

import argparse

from xamsflow.cli import asking

HELP = "reprocess finished runs for which current settings and software would give other data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of runs."""
    asking.add_arguments(parser, force=True)


def run(options: argparse.Namespace) -> int:
    """Make the data of runs again if settings or software have changed."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.REPROCESS)
