"""Propose gains from an LED run, and accept them."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.base import clock
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import accepting, choosing
from xamsflow.settings.corrections import ByRun
from xamsflow.state import layout, run_numbers
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.analysis.gains.proposal import ChannelGain

HELP = "propose gains from an LED run, with a picture of the fits; write them with --accept"

COLUMNS = (
    Column("channel"),
    Column("in use"),
    Column("proposed"),
    Column("error"),
    Column("change"),
    Column("PE per trigger", drop=1),
    Column("note"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the channels to keep, and the picture."""
    add = parser.add_argument
    add("run", metavar="RUN", help="number of the LED run, e.g. 932")
    add(
        "--keep",
        nargs="+",
        type=int,
        default=[],
        metavar="CHANNEL",
        help="channels that keep their current gain because it cannot be measured",
    )
    add(
        "--output",
        type=choosing.path,
        metavar="FILE",
        help="picture of the fits, .png [results/RUN/gains.png]",
    )
    accepting.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Show proposed gains next to those in use; return 0 only if there is a proposal."""
    ranges = run_numbers.parse_all([options.run])
    if len(ranges) != 1 or len(ranges[0]) != 1:
        raise ConfigurationError(f"{options.run!r} is more than one run", "give one run number")
    number = ranges[0].start
    # These modules take seconds to import.
    from xamsflow.analysis.gains import led_run, picture, proposal  # noqa: PLC0415
    from xamsflow.analysis.site import open_site  # noqa: PLC0415

    site = open_site(options.configfile, run_database=False)
    led = proposal.led_of(site.detector)
    pulses = led_run.read(site.context(), layout.run_id(number), led)
    wanted = proposal.Wanted(
        number, accepting.entry_runs(options), options.keep, f"{clock.now():%Y-%m-%d}"
    )
    proposals = proposal.propose(site.detector, pulses, wanted)
    channels = [one for group in proposals for one in group.channels]
    print(terminal.table(COLUMNS, list(map(_cells, channels)), line=terminal.width()))
    output: Path = options.output or layout.gains_picture(layout.run_id(number))
    picture.draw(layout.run_id(number), channels, pulses, output)
    print(f"picture: {output.absolute()}")
    for group in proposals:
        if group.problem is not None:
            print(f"No proposal for {group.problem}.")
    entries = [
        (group.signals.gains.file, group.entry)
        for group in proposals
        if group.entry is not None and isinstance(group.signals.gains, ByRun)
    ]
    if not entries:
        return 1
    return accepting.propose(options, site.settings, "gains", entries)


def _cells(one: "ChannelGain") -> list[str]:
    fit, is_known = None if one.problem else one.fit, math.isfinite(one.current)
    return [
        str(one.channel),
        f"{one.current:.6g}" if is_known else "",
        "" if fit is None else f"{fit.gain:.6g}",
        "" if fit is None else f"{fit.gain_error:.2g}",
        f"{fit.gain / one.current - 1:+.1%}" if fit is not None and is_known else "",
        "" if one.fit is None else f"{one.fit.occupancy:.2f}",
        one.problem or "",
    ]
