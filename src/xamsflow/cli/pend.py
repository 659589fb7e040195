"""Ask for runs to be processed: their status becomes pending."""

import argparse

from xamsflow.cli import asking

HELP = "mark runs pending, so that the next `snakemake` run processes them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of runs."""
    asking.add_arguments(parser, force=True)


def run(options: argparse.Namespace) -> int:
    """Ask for runs to be processed: their status becomes pending."""
    from xamsflow.operate import actions  # noqa: PLC0415 - keeps --help fast

    return asking.run(options, actions.PEND)
