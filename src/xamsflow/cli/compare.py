"""Compare two lineages of runs, and write a report."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from xamsflow.base.errors import ConfigurationError, did_you_mean
from xamsflow.cli import choosing
from xamsflow.settings import config
from xamsflow.state import campaigns, layout, run_numbers
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.analysis.comparison.summary import Comparison

HELP = "report what changed between the old and the new data of runs"
ONLY_LOOKS = True

SHOWN = 10
"""Maximum number of listed runs that cannot be compared."""

COUNTED = {
    "old": "n_old",
    "new": "n_new",
    "matched": "n_matched",
    "other class": "n_reclassified",
    "lost": "n_lost",
    "gained": "n_gained",
    "split": "n_split",
    "merged": "n_merged",
}
"""Which count each column shows."""
COUNTS = (Column(""), *(Column(name, right=True) for name in COUNTED))
CHANGES = (
    Column("quantity (matches only)"), Column("median change", right=True),
    Column("spread", right=True), Column("unchanged", right=True),
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, their lineages and the folder of the report."""
    add = parser.add_argument
    add(
        "runs",
        nargs="+",
        metavar="RUN|CAMPAIGN",
        help=f"{choosing.HELP}; or the name of a campaign, for its runs",
    )
    add(
        "--old",
        metavar="HASH",
        help="lineage hash of any data type of the old data [the kept earlier data, or else the "
        "only other data]",
    )
    add("--new", metavar="HASH", help="the same for the new data [the data published last]")
    add(
        "--output",
        type=choosing.path,
        metavar="FOLDER",
        help=f"folder for the report [{layout.COMPARISON}, or {layout.COMPARISON}/CAMPAIGN]",
    )
    add("--json", action="store_true", help="print JSON (keys: docs/reference/json.md)")


def run(options: argparse.Namespace) -> int:
    """Write the report and print a summary; return 1 if a run could not be compared."""
    processed = config.load(options.configfile).storage.processed
    words = [word for each in options.runs for word in _words(each)]
    runs = [layout.run_id(number) for number in choosing.on_disk(words)]
    output = options.output
    if output is None:
        named = options.runs[0] if options.runs != words and len(options.runs) == 1 else ""
        output = layout.COMPARISON / named
    from xamsflow.analysis.comparison import report, summary  # noqa: PLC0415 - strax takes seconds

    found = summary.compare(processed, runs, options.old, options.new)
    page = report.write(found, output)
    if options.json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        print("\n".join(_lines(found)))
        print(f"\n{page.absolute()}")
    for error in list(found.problems.values())[:SHOWN]:
        print(f"xamsflow: {error}", file=sys.stderr)
    if (more := len(found.problems) - SHOWN) > 0:
        print(f"xamsflow: {more} more runs could not be compared; see the report", file=sys.stderr)
    return 1 if found.problems else 0


def _words(word: str) -> list[str]:
    """Replace the name of a campaign by its runs; return other words unchanged."""
    if word in campaigns.names():
        return run_numbers.words(campaigns.read(word).runs)
    if word[:1].isalpha():
        raise ConfigurationError(
            f"{word!r} is neither a run nor a campaign{did_you_mean(word, campaigns.names())}",
            "give a number such as 932, a range such as 932-940, or the name of a campaign "
            "(xamsflow campaign list)",
        )
    return [word]


def _lines(found: "Comparison") -> Iterator[str]:
    for difference, runs in found.settings.items():
        of = "" if len(runs) == len(found.runs) else f" (runs {choosing.named(map(int, runs))})"
        yield f"{difference}{of}"
    yield ""
    line = terminal.width()
    if not found.overall:
        yield "Peaks and events have only one lineage. Numbers of rows:"
        rows = [[name, f"{old:,}", f"{new:,}"] for name, (old, new) in found.n_rows().items()]
        yield terminal.table(COUNTS[:3], rows, line=line)
        return
    counts = [
        [kind, *(f"{getattr(one, name):,}" for name in COUNTED.values())]
        for kind, one in found.overall.items()
    ]
    yield terminal.table(COUNTS, counts, line=line)
    changes = [
        [
            f"{kind}: {name}",
            f"{change['median']:+.4g} {change['unit']}" if change["median"] else "0",
            f"{change['spread']:.4g} {change['unit']}",
            f"{100 * change['n_same'] / change['n']:.4g} %",
        ]
        for kind, of_kind in found.summaries().items()
        for name, change in of_kind.items()
        if change["n"]
    ]
    if changes:
        yield ""
        yield terminal.table(CHANGES, changes, line=line)
