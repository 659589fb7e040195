"""What the driver says to the person at the terminal."""

import logging


def say(line: str) -> None:
    """Write a line to the terminal."""
    # Through Snakemake's own log, whose handler keeps the lines of several threads apart. After its
    # end, logging itself writes warnings to stderr.
    logging.getLogger("snakemake.logging").warning(f"xamsflow: {line}")
