"""Write the status page, the trends and the pictures they link to."""

import argparse
import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from xamsflow.settings import config
from xamsflow.state import layout

HELP = "write results/index.html (all runs at a glance), results/trends.html and pictures of runs"

PICTURES = 20

DETAILS = 2000
"""Maximum number of runs whose details are written at a time, which takes seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the maximum number of pictures."""
    parser.add_argument(
        "--pictures",
        type=_count,
        default=PICTURES,
        metavar="N",
        help=f"draw at most N missing or outdated pictures; 0 draws none [{PICTURES}]",
    )
    parser.add_argument(
        "--quantities",
        action="store_true",
        help="first compute quantities that are missing or older than the data",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 0")
    return int(text)


@contextlib.contextmanager
def _warnings_printed() -> Iterator[None]:
    """Print what the package logs, such as why a picture was not drawn."""
    logger, handler = logging.getLogger("xamsflow"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("xamsflow: %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def run(options: argparse.Namespace) -> int:
    """Draw the pictures, then write the pages that link to them; print their paths."""
    from xamsflow.analysis import trends  # noqa: PLC0415 - keeps --help fast
    from xamsflow.views import page, run_files  # noqa: PLC0415

    settings = config.load(options.configfile)
    with _warnings_printed():
        if options.quantities:
            _measure(settings)
        drawn = page.make_pictures(settings, options.pictures)
        if drawn or options.quantities:  # strax, which takes seconds, is loaded anyway
            _find_current(settings, run_files.runs())
    written = trends.make(settings) if trends.has_any() else None
    page.make(settings, details=DETAILS, thorough=True)
    print(f"{Path.cwd() / layout.PAGE}")
    if written:
        print(f"{Path.cwd() / written}")
    if drawn:
        print(f"pictures drawn: {len(drawn)}, last: {layout.overview(drawn[-1])}")
    return 0


def _find_current(settings: config.Config, runs: Sequence[str]) -> None:
    from xamsflow.views.page import current  # noqa: PLC0415 - keeps --help fast

    try:
        current.update(settings, runs)
    except Exception as error:  # somebody else's context must not stop the page
        logging.getLogger("xamsflow").warning("cannot tell which data are current: %s", error)


def _measure(settings: config.Config) -> None:
    from xamsflow.analysis.quantities.backfill import backfill  # noqa: PLC0415 - takes seconds
    from xamsflow.analysis.site import Site  # noqa: PLC0415

    for _, problem in backfill(Site(settings, Path.cwd(), run_database=False), only_new=True):
        if problem is not None:
            logging.getLogger("xamsflow").warning("%s", problem)
