"""Let runs be processed again that were held or abandoned."""

import argparse

from xamsflow.cli import asking

HELP = "remove the tags hold-processing and abandon from runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of runs."""
    asking.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Let runs be processed again that were held or abandoned."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.RELEASE)
