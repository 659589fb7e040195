"""The picture of a run, drawn from its contents."""

import secrets
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from xamsflow.base import amounts, system_errors
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.views import colors
from xamsflow.views.overview.contents import (
    AREA,
    BEING_TAKEN,
    FAILED,
    KINDS,
    WIDTH,
    Channel,
    Contents,
    Waveform,
)

COLORS = {
    "S1": colors.S1,
    "S2": colors.S2,
    "unknown": colors.GRAY,
    "events": colors.EVENT,
    "event": colors.EVENT,
    "peak": colors.CHANNELS[4],
    "ADC": colors.CHANNELS[0],
}
RECORDS = ("#8f6bb3", "#c2aad6")
VERDICTS = {"clean": "#2a7f6f", "degraded": colors.S2, FAILED: "#a3231f", BEING_TAKEN: "#1f5fa8"}

SIZE = (16.0, 12.8)
"""Inches; at DPI, the picture fills a screen and is readable on a phone when zoomed in."""
DPI = 100

NAMED_CHANNELS = 8
"""Maximum number of channels that a legend lists."""


def draw(contents: Contents, output: Path) -> None:
    """Write the picture of a run atomically, so that nobody sees a partial file."""
    figure = _figure(contents)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(partial, format="png", dpi=DPI, metadata={"Title": f"run {contents.run_id}"})
        partial.replace(output)
    except OSError as error:
        raise system_errors.cannot("write", output, error) from error
    finally:  # also on Ctrl-C
        partial.unlink(missing_ok=True)


def _figure(contents: Contents) -> Figure:
    figure = Figure(figsize=SIZE, facecolor="white")
    grid = GridSpec(
        4,
        4,
        figure,
        height_ratios=(1.45, 1.7, 1.1, 1.1),
        left=0.055,
        right=0.985,
        top=0.885,
        bottom=0.05,
        hspace=0.42,
        wspace=0.28,
    )
    _title(figure, contents)
    over_time = grid[0, :].subgridspec(2, 1, height_ratios=(1, 0.1), hspace=0.2)
    rate = figure.add_subplot(over_time[0])
    _rates(rate, contents)
    _live_time(figure.add_subplot(over_time[1], sharex=rate), contents)
    if contents.area_width:
        _area_width(figure.add_subplot(grid[1, :2]), contents)
        _areas(figure.add_subplot(grid[1, 2]), contents)
        _drift(figure.add_subplot(grid[1, 3]), contents)
    else:
        _heights(figure.add_subplot(grid[1, :2]), contents)
        _lights(figure.add_subplot(grid[1, 2:]), contents)
    _channel_rates(figure.add_subplot(grid[2, 0]), contents)
    _by_channel(figure.add_subplot(grid[2, 1]), contents, "baseline", "baseline (ADC counts)")
    _by_channel(figure.add_subplot(grid[2, 2]), contents, "noise", "noise, rms (ADC counts)")
    _shapes(figure.add_subplot(grid[2, 3]), contents)
    _waveforms(figure, grid, contents.waveforms)
    return figure


def _title(figure: Figure, contents: Contents) -> None:
    figure.text(0.02, 0.972, f"Run {contents.run_id}", fontsize=22, fontweight="bold", va="center")
    about = "  ·  ".join(filter(None, (_plain(contents.detector), _plain(contents.mode))))
    figure.text(0.17, 0.972, about, fontsize=14, va="center", color="#333333", parse_math=False)
    begin, end = (
        datetime.fromtimestamp(time / NS_PER_S, UTC) for time in (contents.start, contents.end)
    )
    times = (
        f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC, {amounts.duration(contents.duration)}"
    )
    if contents.verdict == BEING_TAKEN:
        times += " so far"
    if contents.live_time_ns is not None and contents.duration:
        live = contents.live_time_ns / NS_PER_S / contents.duration
        times += f", live {100 * live:.4g} %"
    sizes = [
        f"{amounts.size(size)} {what}"
        for size, what in ((contents.bytes_live, "live data"), (contents.bytes_stored, "stored"))
        if size
    ]
    figure.text(0.02, 0.945, "  ·  ".join([times, *sizes]), fontsize=11, va="center")
    items = [
        f"{n:,} {name}".replace(",", "\u202f")
        for name, n in contents.stored.items()
        if n and not name.startswith(("raw_records_aqmon", "pulse_counts", "peak_", "peaks_"))
    ]
    stored = "  ·  ".join(items) or "no data in this run"
    figure.text(
        0.02, 0.922, textwrap.shorten(stored, 190), fontsize=10, va="center", color="#555555"
    )
    verdict = contents.verdict or "not checked"
    figure.text(
        0.985,
        0.972,
        f" {_plain(verdict)} ",
        fontsize=14,
        fontweight="bold",
        ha="right",
        va="center",
        color="white",
        bbox={
            "boxstyle": "round,pad=0.35",
            "facecolor": VERDICTS.get(verdict, colors.GRAY),
            "lw": 0,
        },
    )
    notes = [*contents.missing, *contents.findings]
    more = [f"and {len(notes) - 3} more in the receipt"] if len(notes) > 3 else []
    text = "\n".join([textwrap.shorten(_plain(note), 110) for note in notes[:3]] + more)
    figure.text(
        0.985, 0.948, text, fontsize=8.5, ha="right", va="top", color="#7a3a12", parse_math=False
    )


def _plain(text: str) -> str:
    """Remove characters that the font cannot show; a run document may hold anything."""
    known = (letter if letter.isprintable() and ord(letter) < 0x2000 else "?" for letter in text)
    return "".join(known)[:100]


def _rates(axes: Axes, contents: Contents) -> None:
    lowest, highest = np.inf, 0.0
    names = list(contents.rates)
    for name, rate in contents.rates.items():
        is_records = name.startswith("records")
        axes.stairs(
            np.where(rate.rate > 0, rate.rate, np.nan),
            rate.edges,
            label=name,
            color=COLORS.get(name, RECORDS[names.index(name) % len(RECORDS)]),
            # Most S2s make a single event: keep both lines visible.
            linewidth=3.0 if name == "S2" else 1.2,
            linestyle="--" if is_records else "-",
        )
        lowest = min(lowest, rate.rate[rate.rate > 0].min(initial=np.inf))
        highest = max(highest, rate.rate.max(initial=0))
    axes.set_xlim(0, max(contents.duration, 1e-3))
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("rate (Hz)")
    _headline(axes, "Rates")
    if np.isfinite(lowest):
        axes.set_yscale("log")
        axes.set_ylim(lowest / 2, highest * 3)  # wide enough for a labeled tick
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=8, fontsize=9, frameon=False,
            borderaxespad=0.1,
        )  # fmt: skip
    else:
        _nothing(axes, "no records in this run" if contents.rates else "no raw records stored here")
    for first, last in contents.gaps:
        axes.axvspan(first, last, color="#000000", alpha=0.06, linewidth=0)


def _live_time(axes: Axes, contents: Contents) -> None:
    """Draw live time, gaps and dead time as one bar; even the shortest span stays visible."""
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("time since the start of the run (s)", labelpad=1)
    if not contents.is_processed:
        is_taken = contents.verdict == BEING_TAKEN
        why = "the run is being taken" if is_taken else "the run is not processed"
        text = f"live time, gaps and dead time: unknown, because {why}"
        axes.set_title(text, fontsize=8.5, loc="left", pad=2, color="#444444")
        return
    axes.axvspan(0, contents.duration, color="#cfe3dd", linewidth=0)
    at_least = contents.duration / 800
    for first, last in contents.gaps:
        axes.axvspan(first, max(last, first + at_least), facecolor="#ffffff", edgecolor="#666666",
                     hatch="///", linewidth=0)  # fmt: skip
    for first, last in _joined(contents.dead, at_least):
        axes.axvspan(first, max(last, first + at_least), color=colors.S2, linewidth=0)
    gaps = sum(last - first for first, last in contents.gaps)
    dead = contents.dead_time_ns / NS_PER_S
    text = f"live: green   gaps, hatched: {_seconds(gaps)}   dead time, orange: {_seconds(dead)}"
    axes.set_title(text, fontsize=8.5, loc="left", pad=2, color="#444444")


def _joined(spans: Sequence[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Join spans that are too close to tell apart on a screen."""
    joined: list[tuple[float, float]] = []
    for first, last in sorted(spans):
        if joined and first - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _seconds(time: float) -> str:
    if not time:
        return "none"
    return f"{1e3 * time:.3g} ms" if time < 1 else amounts.duration(time)


def _area_width(axes: Axes, contents: Contents) -> None:
    _headline(axes, "Peaks: area and width")
    total = _all_peaks(contents).sum()
    if not total:
        _nothing(axes, "no peaks")
        return
    step = 1 if total > 20_000 else 2  # fewer peaks, coarser cells
    highest = max(_coarser(counts, step).max() for counts in contents.area_width.values())
    for kind in KINDS:
        counts = _coarser(contents.area_width[kind], step)
        axes.pcolormesh(
            AREA[::step],
            WIDTH[::step],
            np.ma.masked_equal(counts, 0).T,
            cmap=_shades(COLORS[kind]),
            norm=LogNorm(1, max(highest, 2)),
            rasterized=True,
        )
        share = f"{kind}: {contents.n_peaks[kind]:,}".replace(",", "\u202f")
        axes.plot([], [], "s", color=COLORS[kind], label=share)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _crop(axes, _all_peaks(contents))
    axes.set_xlabel("area (PE)")
    axes.set_ylabel("width, central 50 % of the area (ns)")
    axes.grid(alpha=0.2, which="major")
    axes.legend(loc="upper left", fontsize=9, framealpha=0.85)


def _all_peaks(contents: Contents) -> Any:
    return np.sum(list(contents.area_width.values()), axis=0)


def _crop(axes: Axes, counts: Any) -> None:
    for edges, along, limit in ((AREA, 1, axes.set_xlim), (WIDTH, 0, axes.set_ylim)):
        filled = np.flatnonzero(counts.sum(axis=along))
        limit(edges[filled[0]] / 1.5, edges[filled[-1] + 1] * 1.5)


def _coarser(counts: Any, step: int) -> Any:
    n, m = counts.shape
    return counts.reshape(n // step, step, m // step, step).sum(axis=(1, 3))


def _shades(color: str) -> LinearSegmentedColormap:
    """Return a color that gets darker and less transparent with the counts."""
    red, green, blue, _ = to_rgba(color)
    dark = (red * 0.45, green * 0.45, blue * 0.45, 1.0)
    steps = [(red, green, blue, 0.45), (red, green, blue, 0.95), dark]
    return LinearSegmentedColormap.from_list(color, steps)


def _areas(axes: Axes, contents: Contents) -> None:
    _headline(axes, "Area spectrum")
    step = 4
    edges = AREA[::step]
    highest = 0
    for kind in KINDS:
        counts = contents.area_width[kind].sum(axis=1).reshape(-1, step).sum(axis=1)
        if counts.any():
            axes.stairs(counts, edges, color=COLORS[kind], linewidth=1.5, label=kind)
            highest = max(highest, counts.max())
    if not highest:
        _nothing(axes, "no peaks")
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.5, highest * 3)
    filled = np.flatnonzero(_all_peaks(contents).sum(axis=1))
    axes.set_xlim(AREA[filled[0]] / 1.5, AREA[filled[-1] + 1] * 1.5)
    axes.set_xlabel("area (PE)")
    axes.set_ylabel("peaks per bin")
    axes.legend(fontsize=9, frameon=False)


def _drift(axes: Axes, contents: Contents) -> None:
    _headline(axes, "Events: S2 area along the drift")
    if contents.drift_area is None:
        _nothing(axes, "no events stored")
        return
    counts, edges = contents.drift_area
    if not counts.sum():
        _nothing(axes, "no event with both S1 and S2")
        return
    # A few S1s are paired with the wrong S2; they lie beyond the right edge.
    most = int(np.searchsorted(counts.sum(axis=1).cumsum(), 0.98 * counts.sum())) + 1
    last = min(int(1.3 * most) + 2, len(edges) - 1)
    step = 1 + last // 60
    columns = counts[: counts.shape[0] // step * step]
    coarse = columns.reshape(-1, step, counts.shape[1] // 4, 4).sum(axis=(1, 3))
    edges = edges[: len(columns) + 1]
    axes.pcolormesh(
        edges[::step],
        AREA[::4],
        np.ma.masked_equal(coarse, 0).T,
        cmap="viridis",
        norm=LogNorm(1, max(2, coarse.max())),
        rasterized=True,
    )
    axes.set_xlim(0, edges[min(last, len(edges) - 1)])
    filled = np.flatnonzero(counts.sum(axis=0))
    axes.set_yscale("log")
    axes.set_ylim(AREA[filled[0]] / 1.5, AREA[filled[-1] + 1] * 1.5)
    axes.set_xlabel("drift time (µs)")
    axes.set_ylabel("S2 area (PE)")


def _heights(axes: Axes, contents: Contents) -> None:
    """Draw the heights of raw pulses, for runs without peaks."""
    _headline(axes, f"Height of pulses ({contents.sampled})")
    seen = _seen(contents)
    if not seen:
        _nothing(axes, "no pulses")
        return
    highest = max(np.percentile(channel.height, 99.9) for channel in seen.values())
    edges = np.geomspace(1, max(highest, 10) * 1.5, 100)
    for place, (number, channel) in enumerate(seen.items()):
        counts, _ = np.histogram(channel.height, edges)
        axes.stairs(counts, edges, color=_color(place, len(seen)), label=f"channel {number}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set_xlabel("height above baseline (ADC counts)")
    axes.set_ylabel("pulses per bin")
    _legend(axes, len(seen))


def _lights(axes: Axes, contents: Contents) -> None:
    if not contents.light:
        _headline(axes, "Peaks")
        _nothing(axes, "no peaks stored for this run")
        return
    _headline(axes, "LED: light per pulse")
    for place, (channel, (counts, edges)) in enumerate(sorted(contents.light.items())):
        color = _color(place, len(contents.light))
        axes.stairs(counts, edges, color=color, label=f"channel {channel}", linewidth=1.3)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set_xlabel("area in the LED's window (ADC counts · samples)")
    axes.set_ylabel("pulses per bin")
    _legend(axes, len(contents.light))


def _channel_rates(axes: Axes, contents: Contents) -> None:
    _headline(axes, "Pulses by channel")
    if not contents.channels:
        _nothing(axes, "no raw records stored here")
        return
    numbers = sorted(contents.channels)
    rates = np.array([contents.channels[number].rate for number in numbers])
    positions = np.arange(len(numbers))
    fill = [_color(place, len(numbers)) for place in positions.tolist()]
    axes.set_ylim(0, max(1.05 * rates.max(), 1e-3))
    axes.bar(positions, np.where(rates > 0, rates, np.nan), color=fill, width=0.7)
    if rates.max() > 20 * rates[rates > 0].min(initial=np.inf):
        axes.set_yscale("log")
        axes.set_ylim(rates[rates > 0].min() / 3, rates.max() * 3)
    for place, rate in enumerate(rates.tolist()):
        if not rate:
            axes.text(place, 0.03, "no pulses", rotation=90, ha="center", va="bottom", fontsize=8,
                      color="#7a3a12", transform=axes.get_xaxis_transform())  # fmt: skip
    _channel_axis(axes, numbers)
    axes.set_ylabel("pulses per second (Hz)")


def _by_channel(axes: Axes, contents: Contents, what: str, label: str) -> None:
    """Draw median, central 68 % (box) and 99 % (line) of a per-pulse value by channel."""
    _headline(axes, f"{what.capitalize()} by channel")
    seen = _seen(contents)
    if not seen:
        _nothing(axes, "no pulses")
        return
    numbers = sorted(contents.channels)
    for number, channel in seen.items():
        values = getattr(channel, what)
        low, below, middle, above, high = np.percentile(values, [0.5, 16, 50, 84, 99.5])
        place = numbers.index(number)
        color = _color(place, len(numbers))
        axes.vlines(place, low, high, color=color, linewidth=1.2)
        axes.vlines(place, below, above, color=color, linewidth=8, alpha=0.55)
        axes.plot(place, middle, "_", color="#111111", markersize=12, markeredgewidth=1.6)
    _channel_axis(axes, numbers)
    axes.set_ylabel(label)
    axes.grid(alpha=0.2, axis="y")


def _shapes(axes: Axes, contents: Contents) -> None:
    _headline(axes, "Pulse shape, mean")
    seen = {number: one for number, one in _seen(contents).items() if len(one.shapes)}
    if not seen:
        _nothing(axes, "no pulses")
        return
    longest = 0.0
    numbers = sorted(contents.channels)
    for number, channel in seen.items():
        there = np.isfinite(channel.shapes)
        enough = there.sum(axis=0) > 0.05 * len(channel.shapes)
        mean = np.nanmean(channel.shapes[:, enough], axis=0)
        time = np.arange(len(mean)) * channel.dt
        longest = max(longest, time[-1])
        color = _color(numbers.index(number), len(numbers))
        axes.plot(time, mean, color=color, label=f"{number}", linewidth=1.3)
    axes.axhline(0, color=colors.GRAY, linewidth=0.8)
    axes.set_xlim(0, longest)
    axes.set_xlabel("time in the first record (ns)")
    axes.set_ylabel("fraction of height")
    _legend(axes, len(seen), title="channel")


def _waveforms(figure: Figure, grid: GridSpec, waveforms: Sequence[Waveform]) -> None:
    if not waveforms:
        axes = figure.add_subplot(grid[3, :])
        _headline(axes, "Waveforms")
        _nothing(axes, "no waveforms to show")
        return
    wide = waveforms[0].kind == "event"
    places = [grid[3, :2], grid[3, 2], grid[3, 3]] if wide else [grid[3, i] for i in range(4)]
    for waveform, place in zip(waveforms, places, strict=False):
        axes = figure.add_subplot(place)
        _headline(axes, f"Waveform: {waveform.title}")
        raw = waveform.kind == "ADC"
        axes.plot(
            waveform.time if waveform.time.max(initial=0) >= 1 else 1e3 * waveform.time,
            waveform.value,
            color=COLORS[waveform.kind],
            linewidth=1.1,
            drawstyle="steps-mid" if raw else "steps-post",
        )
        axes.axhline(0, color=colors.GRAY, linewidth=0.6)
        axes.set_xlabel("time (µs)" if waveform.time.max(initial=0) >= 1 else "time (ns)")
        axes.set_ylabel("ADC counts" if raw else "PE / ns")
        axes.margins(x=0.02)


def _seen(contents: Contents) -> dict[int, Channel]:
    return {
        number: channel
        for number, channel in sorted(contents.channels.items())
        if len(channel.height)
    }


def _color(place: int, n: int) -> Any:
    if n <= len(colors.CHANNELS):
        return colors.CHANNELS[place]
    return LinearSegmentedColormap.from_list("channels", colors.CHANNELS)(place / max(n - 1, 1))


def _channel_axis(axes: Axes, numbers: Sequence[int]) -> None:
    step = 1 + len(numbers) // 16
    axes.set_xticks(range(0, len(numbers), step), [str(number) for number in numbers[::step]])
    axes.set_xlim(-0.7, len(numbers) - 0.3)
    axes.set_xlabel("channel")


def _legend(axes: Axes, n: int, title: str | None = None) -> None:
    if n <= NAMED_CHANNELS:
        axes.legend(fontsize=8.5, frameon=False, title=title, title_fontsize=8.5, ncols=1 + n // 5)


def _headline(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=11, fontweight="bold", loc="left", parse_math=False)


def _nothing(axes: Axes, text: str) -> None:
    axes.text(
        0.5, 0.5, text, ha="center", va="center", color="#777777", fontsize=11, style="italic",
        transform=axes.transAxes,
    )  # fmt: skip
    axes.tick_params(bottom=False, labelbottom=False, left=False, labelleft=False)
