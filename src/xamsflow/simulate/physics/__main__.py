"""Simulate and process runs, compare the results with the truth, and write a report."""

import argparse
import sys
import tempfile
from pathlib import Path

from xamsflow.base.errors import XamsflowError
from xamsflow.simulate.physics.checks import Measurements
from xamsflow.simulate.physics.sample import DETECTOR, border_run, take, usual_run
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

COLUMNS = (
    Column("check"),
    Column("found"),
    Column("required"),
    Column("reached"),
    Column("how", cut=24),
)


def main() -> int:
    """Return 0 if all requirements are met."""
    parser = argparse.ArgumentParser(
        prog="python -m xamsflow.simulate.physics", description=__doc__
    )
    add = parser.add_argument
    add("--directory", type=Path, default=Path("physics"), help="folder for the report [physics]")
    add("--detector", default=DETECTOR, help=f"a file in config/detectors [{DETECTOR}]")
    add("--duration", type=float, default=60.0, help="length of the usual run, s [60]")
    add("--borders", type=float, default=15.0, help="length of the run with borders, s [15]")
    add("--seed", type=int, default=1, help="random seed of the runs [1]")
    options = parser.parse_args()
    try:
        return compare(options)
    except XamsflowError as error:
        print(f"xamsflow: {error}", file=sys.stderr)
        return 1


def compare(options: argparse.Namespace) -> int:
    """Carry out the options; return 0 if all requirements are met."""
    from xamsflow.simulate.physics import report  # noqa: PLC0415 - matplotlib, not before it is needed

    with tempfile.TemporaryDirectory() as folder:
        usual = usual_run(options.duration, options.seed, options.detector)
        borders = border_run(options.borders, options.seed, options.detector)
        findings = Measurements(take(usual, Path(folder)), take(borders, Path(folder)))
    title = (
        f"Reconstruction of {options.detector} against simulated truth: "
        f"{options.duration:g} s and {options.borders:g} s with S2s across chunk boundaries, "
        f"seed {options.seed}"
    )
    pages = report.write(findings, options.directory, title)
    results = findings.checks()
    rows = [
        (one.name, one.value, one.required, "yes" if one.holds else "NO", one.detail)
        for one in results
    ]
    print(terminal.table(COLUMNS, rows, line=terminal.width()))
    print("see " + " and ".join(str(page) for page in pages))
    return 0 if all(one.holds for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
