"""The event display: one event in a picture.

From top to bottom: the main S1 and S2, their light by channel, and the main quantities; the whole
event with its peaks; the waveforms of its channels.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Rectangle

from xamsflow.analysis import one_event
from xamsflow.analysis.one_event import OneEvent, Waveform
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.views import colors

if TYPE_CHECKING:
    import strax

SIZE = (16.0, 11.0)
"""Inches."""

NAMED_PEAKS = 12
"""The largest peaks of the event have their name and area beside them."""

MARGIN = 0.03
"""Shown before the peaks of an event, as a part of their time; after them is room for a name."""

LABEL, ROWS = 0.07, 3
"""Width of a name as a part of the axis; names that would overlap are in different rows."""

KINDS = ("unknown", "S1", "S2")
COLORS = (colors.GRAY, colors.S1, colors.S2)
"""By the value of ``type``."""

RADIUS = 31.0
"""mm; that of XAMS, the only TPC with a top array of four channels."""

MARGIN_NS = {"s1": 60, "s2": 600}
"""Shown on each side of the main peaks."""

MAIN = ("s1", "s2")


def event_display(context: "strax.Context", run_id: str | int, event: int) -> Figure:
    """Return a picture of one event, by its number in the run.

    The run's ``event_basics`` and ``peaks`` must be stored. If its ``records`` are not, the picture
    has no waveforms of channels. Raises ConfigurationError if there is no such event.
    """
    (found,) = one_event.read(context, run_id, [event])
    return draw(found)


def draw(event: OneEvent) -> Figure:
    """Return the picture of an event."""
    n_channels = len(event.channels) if event.waveforms else 0
    figure = Figure(figsize=SIZE, facecolor="white")
    grid = GridSpec(
        3,
        1,
        figure,
        height_ratios=(1.15, 1.0, 0.2 + 0.17 * n_channels),
        left=0.06,
        right=0.985,
        top=0.93,
        bottom=0.06,
        hspace=0.27,
    )
    start = datetime.fromtimestamp(int(event.info["time"]) / NS_PER_S, UTC)
    figure.text(
        0.02,
        0.965,
        f"Run {event.run_id}, event {event.number}",
        fontsize=20,
        fontweight="bold",
        va="center",
    )
    figure.text(
        0.985,
        0.965,
        f"{start:%Y-%m-%d %H:%M:%S} UTC",
        fontsize=12,
        ha="right",
        va="center",
    )
    top = grid[0].subgridspec(1, 4, width_ratios=(1, 1, 0.8, 1.15), wspace=0.24)
    for place, name in enumerate(MAIN):
        _main_peak(figure.add_subplot(top[place]), event, name)
    _light(figure, top[2], event)
    _quantities(figure.add_subplot(top[3]), event)
    whole = figure.add_subplot(grid[1])
    _whole(whole, event)
    if n_channels:
        _channels(figure, grid[2], event, whole)
    return figure


def _main_peak(axes: Axes, event: OneEvent, name: str) -> None:
    """Draw a main peak with the waveforms of the channels."""
    axes.set_title(f"main {name.upper()}", loc="left", fontweight="bold")
    peak = event.peak(name)
    if peak is None:
        _empty(axes, f"no {name.upper()}")
        return
    begin = int(peak["time"] - event.info["time"])
    end = begin + int(peak["length"]) * int(peak["dt"])
    edges = np.arange(begin, end + 1, int(peak["dt"]))
    for number, (channel, waveform) in enumerate(event.waveforms.items()):
        color = colors.CHANNELS[number % len(colors.CHANNELS)]
        light = in_samples(waveform, edges)
        axes.stairs(light, edges - begin, color=color, lw=0.9, label=f"channel {channel}")
    _fill(axes, peak, COLORS[KINDS.index(name.upper())])
    axes.set_xlim(-MARGIN_NS[name], end - begin + MARGIN_NS[name])
    axes.set(xlabel="time since the start of the peak (ns)", ylabel="light (PE/ns)")
    if event.waveforms:
        axes.legend(fontsize=7.5, frameon=False)


def in_samples(waveform: Waveform, edges: Any) -> Any:
    """Return the light of a channel (PE/ns) in wider samples."""
    there = np.isfinite(waveform.light)
    weights = waveform.light[there] * waveform.dt
    light, _ = np.histogram(waveform.time[there], edges, weights=weights)
    return light / np.diff(edges)


def _fill(axes: Axes, peak: Any, color: str, *, at: float = 0.0, unit: float = 1.0) -> float:
    """Draw the summed waveform of a peak that starts at `at`; return its maximum (PE/ns).

    Times are in units of `unit` ns.
    """
    n_samples, dt = int(peak["length"]), int(peak["dt"])
    light = peak["data"][:n_samples] / dt
    edges = at + np.arange(n_samples + 1) * dt / unit
    axes.stairs(light, edges, fill=True, color=color, alpha=0.25, lw=0)
    axes.stairs(light, edges, color=color, lw=1.3)
    return float(light.max(initial=0))


def _whole(axes: Axes, event: OneEvent) -> None:
    """Draw all peaks of the event, the largest with their names; the time ends with the peaks."""
    start = int(event.info["time"])
    length = (int(event.info["endtime"]) - start) / 1e3
    axes.set_title(f"peaks of the event ({length:.0f} µs)", loc="left", fontweight="bold")
    names = {
        int(event.info[f"{name}_index"]): name.replace("_", " ").replace("s", "S")
        for name in ("alt_s1", "alt_s2", *MAIN)
    }
    begins = (event.peaks["time"] - start) / 1e3
    ends = begins + event.peaks["length"] * event.peaks["dt"] / 1e3
    first, last = begins.min(initial=length), ends.max(initial=0.0)
    shown = max(last - first, 1.0) * (1 + MARGIN + LABEL)
    left = first - MARGIN * shown
    axes.set_xlim(left, left + shown)
    largest = set(np.argsort(event.peaks["area"])[-NAMED_PEAKS:].tolist()) | set(names)
    free = [left] * ROWS
    highest = 0.0
    for index, peak in enumerate(event.peaks):
        kind, at = int(peak["type"]), float(begins[index])
        highest = max(highest, _fill(axes, peak, COLORS[kind], at=at, unit=1e3))
        row = next((row for row, beyond in enumerate(free) if beyond <= at), None)
        if index not in largest or row is None:
            continue
        free[row] = at + LABEL * shown
        axes.axvline(at, color=COLORS[kind], lw=0.6, ls=":", alpha=0.7)
        axes.annotate(
            f"{names.get(index, KINDS[kind])}\n{_number(peak['area'])} PE",
            (at, 0.98 - row * 0.13),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color=COLORS[kind],
            fontweight="bold" if index in names else "normal",
        )
    axes.set_yscale("symlog", linthresh=max(highest / 100, 1e-3), linscale=0.6)
    axes.set_ylim(0, max(highest, 1e-3) * 30)
    axes.set_ylabel("light (PE/ns)")
    for word, color in zip(KINDS, COLORS, strict=True):
        axes.plot([], [], color=color, lw=4, alpha=0.6, label=word)
    axes.legend(
        ncols=3, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0
    )
    if not event.waveforms:
        axes.set_xlabel("time since the start of the event (µs)")


def _channels(figure: Figure, place: Any, event: OneEvent, above: Axes) -> None:
    """Draw the waveforms of the channels, one below the other."""
    rows = place.subgridspec(len(event.channels), 1, hspace=0.0)
    highest = max(
        (float(np.nanmax(each.light)) for each in event.waveforms.values() if len(each.light)),
        default=1.0,
    )
    for number, (channel, waveform) in enumerate(event.waveforms.items()):
        axes = figure.add_subplot(rows[number], sharex=above)
        color = colors.CHANNELS[number % len(colors.CHANNELS)]
        axes.plot(waveform.time / 1e3, waveform.light, color=color, lw=0.8)
        axes.set_yscale("symlog", linthresh=highest / 30, linscale=0.5)
        axes.set_ylim(-highest / 30, highest * 1.5)
        axes.set_yticks([])
        axes.set_yticks([], minor=True)
        axes.set_ylabel(str(channel), rotation=0, ha="right", va="center", color=color)
        axes.tick_params(labelbottom=number == len(event.channels) - 1)
        if number == 0:
            axes.set_title("waveforms of the channels", loc="left", fontweight="bold")
    axes.set_xlabel("time since the start of the event (µs)")


def _light(figure: Figure, place: Any, event: OneEvent) -> None:
    """Draw how the light of the main peaks is shared, by channel and by position."""
    has_pattern = bool(event.positions or event.quadrants)
    rows = place.subgridspec(2 if has_pattern else 1, 1, hspace=0.5)
    axes = figure.add_subplot(rows[0])
    axes.set_title("area by channel", loc="left", fontweight="bold")
    shown = 0
    for name, color in zip(MAIN, COLORS[1:], strict=True):
        peak = event.peak(name)
        if peak is not None and peak["area"] > 0:
            at = np.arange(len(event.channels)) + 0.4 * shown - 0.2
            share = peak["area_per_channel"] / peak["area"]
            axes.bar(at, 100 * share, 0.4, color=color, alpha=0.8, label=name.upper())
            shown += 1
    axes.set_xticks(range(len(event.channels)), map(str, event.channels))
    axes.set_ylabel("% of the area")
    if shown:
        axes.legend(fontsize=8, frameon=False)
    if has_pattern:
        _pattern(figure.add_subplot(rows[1]), event)


def _pattern(axes: Axes, event: OneEvent) -> None:
    """Draw the light of the main S2 where its channels are, and its position."""
    axes.set_title("main S2, from above", loc="left", fontweight="bold")
    axes.set(xlabel="x (mm)", ylabel="y (mm)", aspect="equal")
    peak = event.peak("s2")
    light = {} if peak is None else dict(zip(event.channels, peak["area_per_channel"], strict=True))
    if event.positions:
        x, y = np.transpose(list(event.positions.values()))
        area = np.array([light.get(channel, 0.0) for channel in event.positions])
        axes.scatter(x, y, c=area, s=500, cmap="Oranges", edgecolors=colors.GRAY, vmin=0)
        for channel, where in event.positions.items():
            axes.annotate(str(channel), where, ha="center", va="center", fontsize=8)
        limit = 1.6 * float(np.abs([x, y]).max())
    else:
        limit = RADIUS
        brightest = max((light.get(channel, 0.0) for channel in event.quadrants), default=0.0)
        for channel, (x, y) in zip(
            event.quadrants, ((0, 0), (0, -1), (-1, 0), (-1, -1)), strict=True
        ):
            share = max(light.get(channel, 0.0), 0) / brightest if brightest > 0 else 0.0
            corner = x * limit, y * limit
            axes.add_patch(
                Rectangle(corner, limit, limit, color=colors.S2, alpha=0.6 * share, lw=0)
            )
            axes.annotate(
                str(channel),
                (corner[0] + limit / 2, corner[1] + limit / 2),
                ha="center",
                fontsize=8,
            )
    axes.plot(event.info["x"], event.info["y"], "x", color=colors.EVENT, ms=9, mew=2)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit))


QUANTITIES = (
    ("drift time", "drift_time", 1e-3, "µs"),
    ("x", "x", 1, "mm"),
    ("y", "y", 1, "mm"),
    ("z", "z", 1, "mm"),
    ("peaks", "n_peaks", 1, ""),
    ("light before S2", "area_before_main_s2", 1, "PE"),
)
OF_PEAKS = (
    ("area", "{}_area", "PE"),
    ("corrected", "{}", "PE"),
    ("width, 50 %", "{}_range_50p_area", "ns"),
    ("rise time", "{}_rise_time", "ns"),
    ("top", "{}_area_fraction_top", ""),
    ("channels", "{}_n_channels", ""),
    ("hits", "{}_n_hits", ""),
    ("saturated", "{}_n_saturated_channels", ""),
)
"""Name, field and unit of the quantities in the table."""


def _quantities(axes: Axes, event: OneEvent) -> None:
    """Draw the table of the main quantities."""
    axes.axis("off")
    info = event.info
    row = 1.0
    step = 1 / (len(QUANTITIES) + len(OF_PEAKS) + 2.2)

    def write(cells: tuple[str, ...], bold: bool = False) -> None:
        nonlocal row
        for text, x in zip(cells, (0.0, *np.linspace(0.47, 1.0, 4)), strict=False):
            axes.text(
                x,
                row,
                text,
                transform=axes.transAxes,
                fontsize=9,
                va="top",
                ha="left" if x == 0 else "right",
                fontweight="bold" if bold else "normal",
            )
        row -= step

    for name, field, factor, unit in QUANTITIES:
        write((name, _number(info[field] * factor, unit)))
    row -= 0.6 * step
    columns = ("s1", "s2", "alt_s1", "alt_s2")
    write(("", *(column.replace("_", " ").replace("s", "S") for column in columns)), bold=True)
    for name, pattern, unit in OF_PEAKS:
        fields = [
            column.replace("s", "cs") if pattern == "{}" else pattern.format(column)
            for column in columns
        ]
        label = f"{name} ({unit})" if unit else name
        write((label, *(_number(info[field]) for field in fields)))


def _number(value: Any, unit: str = "") -> str:
    """Return a number for people; what is missing is a dash."""
    if value == -1 or not np.isfinite(value):
        return "-"
    is_whole = isinstance(value, int | np.integer) or abs(value) >= 1000
    text = f"{value:.0f}" if is_whole else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", color=colors.GRAY, fontsize=12)
    axes.set_xticks([])
    axes.set_yticks([])
