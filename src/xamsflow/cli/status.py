"""The table of runs."""

import argparse

from tabulate import tabulate

from xamsflow import config, layout

HELP = "show the runs and how far each one is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of runs."""
    parser.add_argument(
        "runs", nargs="*", type=int, metavar="RUN", help="run numbers; none: the newest"
    )
    parser.add_argument("--newest", type=_count, default=20, metavar="N", help="how many [20]")


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Print one line per run, newest first."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    for number in options.runs:
        layout.run_id(number)
    with rundb.open_database(config.load(options.configfile).rundb) as database:
        runs = database.runs(options.runs or None, limit=None if options.runs else options.newest)
        for number in set(options.runs) - {run.number for run in runs}:
            database.get(number)  # says that it is unknown
    print(
        tabulate(
            [
                (
                    layout.run_id(run.number),
                    run.mode,
                    run.start.strftime("%Y-%m-%d %H:%M") if run.start else "",
                    run.status or "",
                    run.stage or "",
                    run.attempt or "",
                    run.reason or "",
                )
                for run in runs
            ],
            headers=["run", "mode", "start (UTC)", "status", "stage", "attempt", "reason"],
            disable_numparse=True,
        )
    )
    return 0
