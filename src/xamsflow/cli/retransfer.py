"""Transfer runs again."""

import argparse

from xamsflow.cli import asking
from xamsflow.settings import config

HELP = "set aside a run's copy and all data made from it, and transfer the run again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser, force=True)


def run(options: argparse.Namespace) -> int:
    """Transfer runs again."""
    from xamsflow.operate import retransfer  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, retransfer.action(config.load(options.configfile)))
