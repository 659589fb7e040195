"""Keep runs from being processed until they are released."""

import argparse

from xamsflow.cli import asking

HELP = "keep runs from being processed, until released (tag hold-processing)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Keep runs from being processed until they are released."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.HOLD)
