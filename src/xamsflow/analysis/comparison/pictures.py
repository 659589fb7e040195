"""Pictures of a comparison: how quantities shift, how things are classified, and run by run."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from xamsflow.analysis.comparison.summary import Comparison
from xamsflow.analysis.comparison.things import ABSENT, Changes, Things
from xamsflow.views import colors

PANEL = (4.6, 3.1)
"""Inches."""
COLUMNS = 3
BINS = 101
FAINTEST = 0.3
"""The number of matches shown in white: less than 1, so that a single match is visible."""
SHOWN = (0.5, 99.5)
"""Percentiles between which changes are shown."""


def shifts(things: Things) -> Figure | None:
    """Return histograms of the changes of quantities; None if no quantity changes."""
    shown = _changing(things)
    if not shown:
        return None
    figure, axes = _panels(len(shown))
    for axis, (name, changes) in zip(axes, shown.items(), strict=False):
        _histogram(axis, name, changes)
    return figure


def against_value(things: Things) -> Figure | None:
    """Return the changes of quantities against their old values; None if no quantity changes."""
    shown = _changing(things)
    if not shown:
        return None
    figure, axes = _panels(len(shown))
    for axis, (name, changes) in zip(axes, shown.items(), strict=False):
        before, change = changes.values()
        low, high = _limits(change)
        is_wide = bool((before > 0).all()) and before.max() > 30 * max(before.min(), 1e-9)
        axis.hexbin(
            before,
            np.clip(change, low, high),
            xscale="log" if is_wide else "linear",
            bins="log",
            vmin=FAINTEST,
            gridsize=40,
            cmap="Blues",
            mincnt=1,
        )
        axis.axhline(0, color=colors.GRAY, linewidth=0.8)
        axis.set_xlabel(f"old {name} [{changes.of_values}]")
        axis.set_ylabel(f"change [{changes.unit}]")
    return figure


def by_run(comparison: Comparison) -> Figure | None:
    """Return the picture of each quantity's median change by run; None for a single run."""
    names = [(kind, name) for kind, one in comparison.overall.items() for name in _changing(one)]
    if len(comparison.runs) < 2 or not names:
        return None
    figure, axes = _panels(len(names))
    for axis, (kind, name) in zip(axes, names, strict=False):
        points = [
            (int(run.pair.run_id), summary["median"], summary["spread"], summary["unit"])
            for run in comparison.runs
            if (summary := run.summaries.get(kind, {}).get(name)) and summary["median"] is not None
        ]
        numbers, medians, spreads, units = zip(*points, strict=True)
        axis.errorbar(
            numbers, medians, spreads, fmt="o", color=colors.S1, ecolor=colors.GRAY, markersize=3
        )
        axis.axhline(0, color=colors.GRAY, linewidth=0.8)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.ticklabel_format(axis="x", style="plain", useOffset=False)
        axis.set_xlabel("run")
        axis.set_ylabel(f"change [{units[0]}]")
        axis.set_title(f"{kind}: {name}", loc="left", fontsize="small")
    return figure


def confusion(things: Things) -> Figure | None:
    """Return the table of old and new classes as a picture; None if there is only one class."""
    names = sorted({name for pair in things.classes for name in pair} - {ABSENT})
    if len(names) < 2:
        return None
    labels = [*names, ABSENT]
    n = np.array([[things.classes.get((old, new), 0) for new in labels] for old in labels])
    figure = Figure(
        figsize=(1.2 + 1.1 * len(labels), 1.0 + 0.7 * len(labels)), layout="constrained"
    )
    axis = figure.subplots()
    shares = n / np.maximum(n.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
    for row, column in np.ndindex(*n.shape):
        if n[row, column]:
            axis.text(column, row, f"{n[row, column]:,}", ha="center", va="center")
    axis.set_xticks(range(len(labels)), [*names, "lost"])
    axis.set_yticks(range(len(labels)), [*names, "gained"])
    axis.set_xlabel("new")
    axis.set_ylabel("old")
    return figure


def _changing(things: Things) -> dict[str, Changes]:
    return {name: one for name, one in things.changes.items() if one.n > one.n_same}


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    columns = min(COLUMNS, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
    axes: list[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[n:]:
        axis.set_axis_off()
    return figure, axes


def _histogram(axis: Axes, name: str, changes: Changes) -> None:
    _, change = changes.values()
    low, high = _limits(change)
    axis.hist(np.clip(change, low, high), np.linspace(low, high, BINS).tolist(), color=colors.S1)
    axis.axvline(0, color=colors.GRAY, linewidth=0.8)
    median, spread = changes.middle()
    axis.axvline(median, color=colors.S2)
    axis.set_yscale("log")
    axis.set_xlabel(f"change of {name} [{changes.unit}]")
    axis.set_ylabel("matches per bin")
    axis.set_title(
        f"{name}: {median:.3g} ± {spread:.3g} {changes.unit}, {_share(changes)} the same",
        loc="left",
        fontsize="small",
    )


def _share(changes: Changes) -> str:
    return f"{100 * changes.n_same / changes.n:.3g} %"


def _limits(change: np.ndarray) -> tuple[float, float]:
    """Return the range to show; values outside are drawn at its ends."""
    low, high = (float(one) for one in np.percentile(change, SHOWN))
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin
