"""The driver's lines on the terminal."""

import logging

from xamsflow.base.printable import printable


def say(line: str) -> None:
    """Write a line to the terminal."""
    # Snakemake's own log handler keeps the lines of several threads apart. After it has ended,
    # logging writes warnings to stderr.
    logging.getLogger("snakemake.logging").warning(f"xamsflow: {printable(line)}")
