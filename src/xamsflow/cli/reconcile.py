"""Check whether all places agree about the runs, and repair disagreements."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xamsflow.cli import choosing
from xamsflow.settings import config, data_types, detector
from xamsflow.state import layout, run_numbers

if TYPE_CHECKING:  # imports the run database's client
    from xamsflow.operate.reconcile import Outcome, Sources

HELP = "compare run documents, receipts, data and jobs; list and repair disagreements"
ONLY_LOOKS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the selection of runs, and whether to repair."""
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="run numbers and ranges, e.g. 932 940-950 [all]"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="repair disagreements; data are never deleted, wrong files are moved aside",
    )
    parser.add_argument(
        "--checksums", action="store_true", help="also compare the SHA-256 of all live data"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per disagreement"
    )


def run(options: argparse.Namespace) -> int:
    """Print one line per disagreement; return 0 if none exists or all were repaired."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.operate.reconcile import Sources, reconcile  # noqa: PLC0415

    settings = config.load(options.configfile)
    settings = config.of_detector(settings, data_types.of(detector.load(settings.detector)))
    run_numbers.parse_all(options.runs)  # report invalid run numbers before connecting
    left = 0
    with rundb.open_database(settings.rundb) as database:
        sources = Sources(settings, database, checksums=options.checksums)
        chosen = _runs(options.runs, sources)
        for outcome in reconcile(sources, chosen, repair=options.repair):
            left += not outcome.repaired
            print(json.dumps(_plain(outcome)) if options.json else _line(outcome), flush=True)
        sources.close()
    if sources.daq_away is not None:
        print(f"not compared with the DAQ: {sources.daq_away}", file=sys.stderr)
    if not left:
        print("everything agrees", file=sys.stderr)
    return 1 if left else 0


def _runs(words: Sequence[str], sources: "Sources") -> set[str]:
    """Return the requested runs; of a range, only known runs; without words, all known runs."""
    if not words:
        return sources.all_runs()
    known = choosing.numbers(words, lambda: map(layout.run_number, sources.all_runs()), "known")
    return {layout.run_id(number) for number in known}


def _line(outcome: "Outcome") -> str:
    found = outcome.disagreement
    if outcome.repaired:
        done = f"repaired: {found.remedy}"
    elif outcome.error is not None:
        done = f"NOT repaired: {outcome.error}"
    else:
        done = f"{'repair' if found.repair else 'to do manually'}: {found.remedy}"
    return " ".join(f"{found.run} {found.kind}: {found.what}; {done}".split())


def _plain(outcome: "Outcome") -> dict[str, Any]:
    found = outcome.disagreement
    return {
        "run": found.run,
        "kind": found.kind,
        "what": found.what,
        "remedy": found.remedy,
        "can_be_repaired": found.repair is not None,
        "repaired": outcome.repaired,
        "error": outcome.error,
    }
