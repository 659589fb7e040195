"""The picture of the fits of an LED run: one panel per channel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xamsflow.analysis.gains.led_run import Pulses
from xamsflow.analysis.gains.proposal import ChannelGain
from xamsflow.base.durable import replacing
from xamsflow.views import colors

COLUMNS = 3
PANEL = (5.2, 3.4)
"""Inches."""
DPI = 100


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
    title = f"channel {one.channel}"
    if one.fit is None:
        axis.set_title(title, loc="left", fontsize="medium")
        if pulses is not None and len(pulses.light):
            low, high = np.percentile(pulses.light, [0, 99.9])
            edges = np.linspace(low - 1, high + 1, 121)
            axis.stairs(np.histogram(pulses.blank, edges)[0], edges, color=colors.GRAY)
            axis.stairs(np.histogram(pulses.light, edges)[0], edges, color="black")
            axis.set_yscale("log")
        axis.text(
            0.5,
            0.96,
            one.problem or "",
            transform=axis.transAxes,
            ha="center",
            va="top",
            wrap=True,
            color=colors.S2,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )
        return
    fit = one.fit
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
    axis.set_yscale("log")
    axis.set_ylim(0.5, 2 * spectrum.light.max())
    axis.set_xlabel("charge [ADC counts x samples]")
    axis.set_ylabel("triggers per bin")
    axis.set_title(
        f"{title}: gain {fit.gain:.5f} ± {fit.gain_error:.5f}, {fit.occupancy:.2f} PE per trigger\n"
        f"spread {fit.spread / fit.full:.0%}, under-amplified {fit.under_amplified:.0%}, "
        f"p = {fit.p_value:.2g}",
        loc="left",
        fontsize="small",
    )
    axis.legend(fontsize="x-small")
    if one.problem:
        axis.text(0.02, 0.02, one.problem, transform=axis.transAxes, color=colors.S2, wrap=True)
