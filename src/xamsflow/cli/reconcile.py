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
        "--details", action="store_true", help="print one line per disagreement, as it is found"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per disagreement"
    )


def run(options: argparse.Namespace) -> int:
    """Print one line per kind of disagreement; return 0 if none exists or all were repaired."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.operate.reconcile import Sources, reconcile  # noqa: PLC0415

    settings = config.load(options.configfile)
    settings = config.of_detector(settings, data_types.of(detector.load(settings.detector)))
    run_numbers.parse_all(options.runs)  # report invalid run numbers before connecting
    outcomes = []
    with rundb.open_database(settings.rundb) as database:
        sources = Sources(settings, database, checksums=options.checksums)
        chosen = _runs(options.runs, sources)
        for outcome in reconcile(sources, chosen, repair=options.repair, progress=_tell):
            outcomes.append(outcome)
            if options.json or options.details:
                print(json.dumps(_plain(outcome)) if options.json else _line(outcome), flush=True)
        sources.close()
    if not (options.json or options.details):
        print(*_lines(outcomes), sep="\n", end="\n" if outcomes else "")
        if len(outcomes) > 1:
            print("xamsflow reconcile --details RUN shows each one", file=sys.stderr)
    left = sum(not outcome.repaired for outcome in outcomes)
    if sources.daq_away is not None:
        print(f"not compared with the DAQ: {sources.daq_away}", file=sys.stderr)
    if not left:
        print("everything agrees", file=sys.stderr)
    return 1 if left else 0


def _tell(done: int, total: int) -> None:
    """Show progress to a person who waits."""
    if done and sys.stderr.isatty():
        print(f"{done} of {total} runs compared …", file=sys.stderr)


def _runs(words: Sequence[str], sources: "Sources") -> set[str]:
    """Return the requested runs; ranges contribute known runs; without words, all known runs."""
    if not words:
        return sources.all_runs()
    known = choosing.numbers(words, lambda: map(layout.run_number, sources.all_runs()), "known")
    return {layout.run_id(number) for number in known}


def _lines(outcomes: "Sequence[Outcome]") -> list[str]:
    """Return one line for each kind of disagreement and its outcome, with the affected runs."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        what_next = _what_next(outcome).partition(":")[0]
        groups.setdefault((outcome.disagreement.kind, what_next), []).append(outcome)
    return [_of_group(kind, group) for (kind, _), group in sorted(groups.items())]


def _of_group(kind: str, group: "Sequence[Outcome]") -> str:
    if len(group) == 1:
        return _line(group[0])
    runs = {layout.run_number(outcome.disagreement.run) for outcome in group}
    count = f"{len(group)} in {len(runs)} run{'' if len(runs) == 1 else 's'}"
    return f"{kind} ({count}: {choosing.named(runs)}); {_what_next(group[0])}"


def _line(outcome: "Outcome") -> str:
    found = outcome.disagreement
    return " ".join(f"{found.run} {found.kind}: {found.what}; {_what_next(outcome)}".split())


def _what_next(outcome: "Outcome") -> str:
    found = outcome.disagreement
    if outcome.repaired:
        return f"repaired: {found.remedy}"
    if outcome.error is not None:
        return f"NOT repaired: {outcome.error}"
    return f"{'repair' if found.repair else 'to do by hand'}: {found.remedy}"


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
