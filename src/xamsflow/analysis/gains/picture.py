"""The picture of the fits of an LED run: one panel per channel."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xamsflow.analysis.gains.led_run import Pulses
from xamsflow.analysis.gains.proposal import ChannelGain
from xamsflow.analysis.gains.spectrum import Fit
from xamsflow.base.durable import replacing
from xamsflow.views import colors

COLUMNS = 3
PANEL = (5.2, 3.4)
"""Inches."""
DPI = 100
LINE = 66
"""Characters of a line above a panel."""


def draw(
    run_id: str, channels: Sequence[ChannelGain], pulses: dict[int, Pulses], output: Path
) -> None:
    """Write the picture atomically; `pulses` are those of :func:`led_run.read`."""
    columns = min(COLUMNS, max(len(channels), 1))
    rows = -(-len(channels) // columns)
    figure = Figure(
        figsize=(PANEL[0] * columns, PANEL[1] * rows + 0.4), facecolor="white", layout="constrained"
    )
    figure.suptitle(f"LED run {run_id}", fontweight="bold")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, one in zip(axes, channels, strict=False):
        _panel(axis, one, pulses.get(one.channel))
    for axis in axes[len(channels) :]:
        axis.set_axis_off()
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _panel(axis: Axes, one: ChannelGain, pulses: Pulses | None) -> None:
    axis.set_yscale("log")
    axis.set_xlabel("charge [ADC counts x samples]")
    axis.set_ylabel("triggers per bin")
    title = f"channel {one.channel}"
    if one.fit is not None:
        title = f"{title}: {_draw_fit(axis, one, one.fit)}"
    elif pulses is not None and len(pulses.light):
        _draw_charges(axis, pulses)
    if one.problem:
        title = textwrap.fill(f"channel {one.channel}: {one.problem}", LINE)
    axis.set_title(title, loc="left", fontsize="small", color=colors.S2 if one.problem else "black")


def _draw_charges(axis: Axes, pulses: Pulses) -> None:
    low, high = np.percentile(pulses.light, [0, 99.9])
    edges = np.linspace(low - 1, high + 1, 121)
    blank = np.histogram(pulses.blank, edges)[0]
    axis.stairs(blank, edges, color=colors.GRAY, fill=True, alpha=0.4, label="no light")
    axis.stairs(np.histogram(pulses.light, edges)[0], edges, color="black", label="LED")
    axis.legend(fontsize="x-small")


def _draw_fit(axis: Axes, one: ChannelGain, fit: Fit) -> str:
    """Draw a fit, and return its result in words."""
    spectrum = fit.spectrum
    middle = (spectrum.edges[1:] + spectrum.edges[:-1]) / 2
    blank = spectrum.blank * (np.exp(-fit.occupancy) * spectrum.light.sum() / spectrum.blank.sum())
    axis.stairs(blank, spectrum.edges, color=colors.GRAY, fill=True, alpha=0.4, label="no light")
    axis.stairs(spectrum.light, spectrum.edges, color="black", label="LED")
    axis.plot(middle, fit.expected, color=colors.S2, label=f"fit ({fit.shape.value})")
    axis.axvline(fit.pedestal + fit.charge, color=colors.S1, label="mean photoelectron")
    axis.axvline(
        fit.pedestal + 1 / one.current, color=colors.S1, linestyle=":", label="present gain"
    )
    lit = np.flatnonzero(spectrum.light)
    axis.set_xlim(spectrum.edges[lit[0]], spectrum.edges[lit[-1] + 1])
    axis.set_ylim(0.5, 2 * spectrum.light.max())
    axis.legend(fontsize="x-small")
    return (
        f"gain {fit.gain:.5f} ± {fit.gain_error:.5f}, {fit.occupancy:.2f} PE per trigger\n"
        f"spread {fit.spread / fit.full:.0%}, under-amplified {fit.under_amplified:.0%}, "
        f"p = {fit.p_value:.2g}"
    )
