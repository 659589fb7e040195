"""Propose an electron lifetime from runs, and accept it."""

import argparse

from xamsflow.base import clock
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import accepting, choosing, quantities
from xamsflow.settings import config, detector
from xamsflow.settings.corrections import ByRun
from xamsflow.state import layout
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

HELP = "propose an electron lifetime from runs; write it with --accept"

COLUMNS = (Column("run"), Column("1/lifetime [1/ms]"), Column("error"), Column("note"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, and whether to accept the proposal."""
    parser.add_argument("measured", nargs="+", metavar="RUN", help=choosing.HELP)
    accepting.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Show the lifetimes of runs and the resulting value; return 0 only if there is one."""
    from xamsflow.analysis import lifetime  # noqa: PLC0415 - keeps --help fast

    configuration = config.load(options.configfile)
    name = configuration.detector
    tpc = detector.load(name).tpc
    by_run = None if tpc is None else tpc.electron_lifetime
    if not isinstance(by_run, ByRun):
        raise ConfigurationError(
            f"detector {name} has no correction file for the electron lifetime",
            f"name one in {layout.DETECTORS / name}.yaml: "
            "tpc.corrections.electron_lifetime: {file: NAME}",
        )
    found = [
        lifetime.of_run(number, layout.run_id(number))
        for number in choosing.on_disk(options.measured)
    ]
    rows = [
        [
            layout.run_id(one.number),
            "" if one.value is None else f"{one.value:.4g}",
            "" if one.error is None else f"{one.error:.2g}",
            one.problem or "",
        ]
        for one in found
    ]
    print(terminal.table(COLUMNS, rows, line=terminal.width()))
    usable = [one for one in found if one.problem is None]
    if not usable:
        print("No proposal: none of the runs has an electron loss rate.")
        return 1
    rate, error = lifetime.mean(usable)
    mean = f"mean: {quantities.rounded(rate, error)} per ms"
    value = lifetime.inverse(rate, error)
    if value is None:
        print(f"{mean}\nNo proposal: the mean is too close to zero. Give more or longer runs.")
        return 1
    now = by_run.entry(usable[0].number)
    in_use = "no value" if now is None else f"{now.value / 1000:.4g} us ({now.provenance.value})"
    in_use = f"in use for run {usable[0].number}: {in_use}"
    print(f"{mean}, lifetime: {quantities.rounded(*value)} us, {in_use}")
    runs = accepting.entry_runs(options)
    entry = lifetime.entry(usable, value, by_run, runs, f"{clock.now():%Y-%m-%d}")
    if entry is None:
        raise ConfigurationError(
            f"{by_run.file} has no lifetime for run {usable[0].number}", "give --runs FIRST-LAST"
        )
    return accepting.propose(options, configuration, "lifetime", [(by_run.file, entry)])
