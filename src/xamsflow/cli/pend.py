"""Request processing of runs by marking them pending."""

import argparse

from xamsflow.cli import asking

HELP = "mark runs pending, so that the next `snakemake` run processes them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs."""
    asking.add_arguments(parser, force=True)


def run(options: argparse.Namespace) -> int:
    """Request processing of runs by marking them pending."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.PEND)
