"""Exclude runs permanently."""

import argparse

from xamsflow.cli import asking

HELP = "exclude runs from processing (tag abandon; other tools may delete their data)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Exclude runs permanently."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.ABANDON)
