"""The report: a page with plots and a table."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xamsflow.base import system_errors
from xamsflow.simulate import Signal
from xamsflow.simulate.physics import checks
from xamsflow.simulate.physics.checks import Check, Measurements
from xamsflow.simulate.physics.quality import KINDS
from xamsflow.views import colors

Array = NDArray[Any]

COLORS = {Signal.S1: colors.S1, Signal.S2: colors.S2}


def write(findings: Measurements, folder: Path, title: str) -> list[Path]:
    """Write ``physics.png`` and ``physics.html`` to a folder; return their paths.

    Raises ConfigurationError if they cannot be written.
    """
    results = findings.checks()
    picture, page = folder / "physics.png", folder / "physics.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _figure(findings, title).savefig(picture, dpi=130)
        page.write_text(_page(picture.read_bytes(), results, title), encoding="utf-8")
    except OSError as error:
        raise system_errors.cannot("write", folder, error) from error
    return [picture, page]


def _figure(findings: Measurements, title: str) -> Figure:
    figure = Figure(figsize=(14, 8.2), layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold")
    axes = figure.subplots(2, 3)
    _draw_efficiency(axes[0, 0], findings)
    _draw_bias(axes[0, 1], findings)
    _draw_resolution(axes[0, 2], findings)
    _draw_time(axes[1, 0], findings)
    _draw_drift(axes[1, 1], findings)
    _draw_confusion(axes[1, 2], findings)
    return figure


def _draw_efficiency(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Efficiency")
    axes.axhline(checks.MIN_EFFICIENCY, color=colors.GRAY, linewidth=1, linestyle="--")
    for kind, efficiency in findings.efficiency.items():
        filled = efficiency.n > 0
        middle = np.sqrt(efficiency.edges[1:] * efficiency.edges[:-1])[filled]
        low, high = (limit[filled] for limit in efficiency.interval())
        share = efficiency.share[filled]
        axes.errorbar(
            middle,
            share,
            yerr=[np.maximum(share - low, 0), np.maximum(high - share, 0)],
            fmt="o",
            markersize=4,
            linewidth=1,
            color=COLORS[kind],
            label=kind.name,
        )
        _required_from(axes, kind)
    _area_axis(axes, "true area (PE)")
    axes.set_ylabel("share of signals found")
    lowest = min(
        np.min(one.interval()[0][one.n > 0], initial=1) for one in findings.efficiency.values()
    )
    axes.set_ylim(max(0, min(0.9, lowest - 0.02)), 1.01)
    axes.legend(loc="lower right")


def _draw_bias(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Area bias")
    axes.axhspan(-100 * checks.MAX_BIAS, 100 * checks.MAX_BIAS, color=colors.GRAY, alpha=0.15)
    axes.axhline(0, color=colors.GRAY, linewidth=1)
    for kind, areas in findings.areas.items():
        middle = np.sqrt(areas.edges[1:] * areas.edges[:-1])
        axes.errorbar(
            middle,
            100 * areas.bias,
            yerr=100 * areas.bias_error,
            fmt="o",
            markersize=4,
            linewidth=1,
            color=COLORS[kind],
            label=kind.name,
        )
        axes.plot(
            middle,
            -100 * areas.unrecorded,
            color=COLORS[kind],
            linewidth=1,
            linestyle=":",
            label=f"{kind.name}: light without samples",
        )
        _required_from(axes, kind)
    _area_axis(axes, "expected area (PE)")
    axes.set_ylabel("reconstructed / true area - 1 (%)")
    axes.legend(loc="lower right", fontsize=8)


def _draw_resolution(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Area resolution (labels: photon statistics, %)")
    axes.axhspan(0, checks.MAX_RESOLUTION, color=colors.GRAY, alpha=0.15)
    axes.axhline(1, color=colors.GRAY, linewidth=1)
    for kind, areas in findings.areas.items():
        middle = np.sqrt(areas.edges[1:] * areas.edges[:-1])
        axes.errorbar(
            middle,
            areas.ratio,
            yerr=areas.ratio_error,
            fmt="o",
            markersize=4,
            linewidth=1,
            color=COLORS[kind],
            label=kind.name,
        )
        below = -14 if kind is Signal.S1 else 10
        for x, y, allowed in zip(middle, areas.ratio, areas.allowed, strict=True):
            axes.annotate(
                f"{100 * allowed:.1f}",
                (x, y),
                textcoords="offset points",
                xytext=(0, below),
                ha="center",
                fontsize=8,
                color=COLORS[kind],
            )
        _required_from(axes, kind)
    _area_axis(axes, "expected area (PE)")
    axes.set_ylabel("spread of reconstructed / of true areas")
    highest = max(np.nanmax(one.ratio, initial=1.0) for one in findings.areas.values())
    axes.set_ylim(0.95, max(1.15, highest + 0.03))
    axes.legend(loc="upper right")


def _draw_time(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Time residual of peaks")
    for kind, residuals in findings.time_residuals.items():
        _histogram(
            axes,
            residuals,
            60,
            COLORS[kind],
            f"{kind.name}: mean {np.mean(residuals):+.1f} ns, rms {np.std(residuals):.1f} ns",
        )
    axes.set_xlabel("center of peak - center of light (ns)")
    axes.set_ylabel("signals")
    axes.legend(fontsize=8)


def _draw_drift(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Drift time residual of events")
    for values, color, label in (
        (findings.drift.of_interaction, colors.GRAY, "from depth of interaction"),
        (findings.drift.of_light, "#2a7f4f", "from center of light"),
    ):
        rms = np.sqrt(np.mean(np.square(values))) if len(values) else np.nan
        _histogram(axes, values, 300, color, f"{label}: rms {rms:.0f} ns")
    for side in (-1, 1):
        axes.axvline(
            side * checks.MAX_DRIFT_RESIDUAL, color=colors.GRAY, linewidth=1, linestyle="--"
        )
    axes.set_xlabel("reconstructed - true drift time (ns)")
    axes.set_ylabel("events")
    axes.legend(fontsize=8)


def _draw_confusion(axes: Axes, findings: Measurements) -> None:
    axes.set_title("Type of peak by kind of signal")
    matrix = findings.confusion
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.1%}\n{matrix[row, column]}" if matrix[row, column] else "0"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            color="white" if share > 0.6 else "black",
            fontsize=10,
        )
    names = [
        f"{kind.name.replace('_', ' ').lower() if kind not in checks.MIN_AREA else kind.name}"
        + (f"\n> {checks.MIN_AREA[kind]:g} PE" if kind in checks.MIN_AREA else "")
        for kind in KINDS
    ]
    axes.set_yticks(range(len(KINDS)), [name.replace(" electron", "\nelectron") for name in names])
    axes.set_xticks(range(3), ["unknown", "S1", "S2"])
    axes.set_xlabel("type of peak")


def _histogram(axes: Axes, values: Array, reach: float, color: str, label: str) -> None:
    """Draw values within ± `reach`; the outermost bins include those beyond."""
    edges = np.linspace(-reach, reach, 61)
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
    axes.hist(inside, bins=edges.tolist(), histtype="step", color=color, linewidth=1.5, label=label)
    axes.set_yscale("log")
    axes.set_ylim(0.5, max(axes.get_ylim()[1], 8.0 * max(len(values), 1)))


def _area_axis(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.grid(alpha=0.25)


def _required_from(axes: Axes, kind: Signal) -> None:
    axes.axvline(checks.MIN_AREA[kind], color=COLORS[kind], linewidth=1, linestyle="--", alpha=0.6)


def _page(picture: bytes, results: Sequence[Check], title: str) -> str:
    rows = "\n".join(
        "<tr class='{}'><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>".format(
            "yes" if one.holds else "no",
            *map(
                html.escape,
                (one.name, one.value, one.required, "yes" if one.holds else "no", one.detail),
            ),
        )
        for one in results
    )
    encoded = base64.b64encode(picture).decode()
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #f6f7f9;
  max-width: 80rem; margin: 0 auto; padding: 1rem 1.5rem 2rem; }}
h1 {{ font-size: 1.5rem; }}
img {{ width: 100%; border: 1px solid #dde2e8; margin-top: 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; background: #ffffff; border: 1px solid #dde2e8; }}
td, th {{ border-top: 1px solid #dde2e8; padding: 0.4rem 0.6rem; text-align: left; }}
th {{ color: #5b6675; font-size: 0.85rem; border-top: 0; }}
tr.yes td:nth-child(4) {{ background: #d9efdf; }}
tr.no td:nth-child(4) {{ background: #f6cfc4; }}
</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<div class="wide"><table>
<tr><th>quantity</th><th>found</th><th>required</th><th>reached</th><th>how</th></tr>
{rows}
</table></div>
<img src="data:image/png;base64,{encoded}" alt="efficiency, area, time and confusion plots">
</body>
</html>
"""
