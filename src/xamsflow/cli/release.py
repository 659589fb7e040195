"""Make held or abandoned runs available for processing again."""

import argparse

from xamsflow.cli import asking

HELP = "undo hold and abandon by removing their tags"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make held or abandoned runs available for processing again."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.RELEASE)
