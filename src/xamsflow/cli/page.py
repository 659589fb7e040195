"""The page that shows how things are, and the pictures it leads to."""

import argparse
import logging
from pathlib import Path

from xamsflow.settings import config
from xamsflow.state import layout

HELP = "write results/index.html: backlog, what runs, what failed, how soon; and pictures of runs"

PICTURES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many pictures are drawn, and of which runs."""
    parser.add_argument(
        "--pictures",
        type=_count,
        default=PICTURES,
        metavar="N",
        help=f"draw at most N pictures that are missing or out of date, 0: none [{PICTURES}]",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Draw the pictures, then write the page that links to them; print its path."""
    from xamsflow.views import page  # noqa: PLC0415 - keeps --help fast

    logging.basicConfig(format="xamsflow: %(message)s")
    settings = config.load(options.configfile)
    drawn = page.make_pictures(settings, options.pictures)
    print(f"{Path.cwd() / page.make(settings)}")
    if drawn:
        print(f"{len(drawn)} pictures drawn, the last is {layout.overview(drawn[-1])}")
    return 0
