"""The pulses of a simulated detector: random in time, mostly in several channels at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.simulate.settings import LENGTH_STEP, SimulatedRun

Array = NDArray[Any]

FIRST_DATA = 4_630_000
"""ns from the start to the first data, as in XAMSL run 2240."""

COINCIDENCE = 0.85
"""Share of events that a channel sees; 84 % of pulses had a partner within 10 ns in that run."""

MIN_GAP = 23
"""Minimum number of samples between two pulses of a channel; 46 ns was the shortest in that run."""

S2_TAIL = 3.0
"""An S2-like pulse is recorded up to this many standard deviations on both sides."""

SECOND_PULSE = 50
"""Samples from the second maximum of a prolonged pulse to its end: 46 to 57 in that run."""

BORDER_PULSE_HEIGHT = 1500.0


@dataclass(frozen=True)
class Pulses:
    """Pulses as arrays of equal length.

    `time` is the time of the first sample, ns since the run's start; `input` indexes the inputs;
    `event` is the time of the pulse's event, ns. `length` is in samples, `height` in ADC counts.
    `second_at` is the sample at which a second pulse begins, 0 if there is none; `s2_width` is a
    standard deviation in samples, 0 for S1-like pulses.
    """

    time: Array
    input: Array
    event: Array
    length: Array
    height: Array
    second_at: Array
    s2_width: Array

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, selection: Any) -> "Pulses":
        return Pulses(**{name: values[selection] for name, values in vars(self).items()})

    def end(self, sample_widths: Array) -> Array:
        """Return the end of each pulse, ns; `sample_widths` are those of the inputs, ns."""
        ends: Array = self.time + self.length * sample_widths[self.input]
        return ends


def pulses_by_period(
    settings: SimulatedRun, sample_widths: Array
) -> Iterator[tuple[Pulses, np.random.Generator]]:
    """Yield the pulses that begin in each chunk period, in order of event and channel.

    `sample_widths` are those of the inputs, ns. A channel's pulses do not overlap. Each period
    includes its random generator for the rest of the simulation.
    """
    busy_until = np.zeros(len(sample_widths), dtype=np.int64)
    for period, begin in enumerate(range(0, settings.duration_ns, settings.period_ns)):
        rng = np.random.default_rng([settings.seed, settings.number, 1 + period])
        end = min(begin + settings.period_ns, settings.duration_ns)
        pulses = _random_pulses(settings, sample_widths, begin, end, rng)
        silent_from, silent_to = (round(NS_PER_S * time) for time in settings.silence)
        pulses = pulses[(pulses.event < silent_from) | (pulses.event >= silent_to)]
        pulses = pulses[_outside_dead_time(pulses, sample_widths, busy_until)]
        if settings.border_pulses:
            laid = _border_pulses(settings, sample_widths, period)
            laid = laid[laid.time >= np.maximum(busy_until[laid.input], begin)]
            pulses = _insert(laid, pulses, sample_widths)
        pulses = pulses[pulses.end(sample_widths) <= settings.duration_ns]
        free = pulses.end(sample_widths) + MIN_GAP * sample_widths[pulses.input]
        np.maximum.at(busy_until, pulses.input, free)
        yield pulses, rng


def _random_pulses(
    settings: SimulatedRun, sample_widths: Array, begin: int, end: int, rng: np.random.Generator
) -> Pulses:
    """Return random pulses, in order of event and channel; those of a channel may overlap."""
    begin = min(max(begin, FIRST_DATA), end)
    expected = settings.rate / COINCIDENCE * (end - begin) / NS_PER_S
    event_time = np.unique(rng.integers(begin, max(end, begin + 1), rng.poisson(expected)))
    n_events = len(event_time)
    event_height = _heights(n_events, rng)
    is_s2 = rng.random(n_events) < settings.s2_fraction
    event_width = np.where(is_s2, settings.s2_width * rng.uniform(0.5, 1.5, n_events), 0)

    event, channel = np.nonzero(rng.random((n_events, len(sample_widths))) < COINCIDENCE)
    n = len(event)
    sample_width = sample_widths[channel]
    jitter = rng.integers(-1, 2, n)
    width = event_width[event] / sample_width
    is_long = (rng.random(n) < settings.long_fraction) & (width == 0)
    longer = np.where(is_long, rng.integers(3, 27, n), np.ceil(2 * S2_TAIL * width / LENGTH_STEP))
    length = settings.pulse_length + LENGTH_STEP * longer.astype(np.int64)
    pulses = Pulses(
        time=(event_time[event] // sample_width + jitter) * sample_width,
        input=channel,
        event=event_time[event],
        length=length,
        height=event_height[event] * rng.uniform(0.8, 1.2, n),
        second_at=np.where(is_long, length - SECOND_PULSE, 0),
        s2_width=width,
    )
    return pulses[(begin <= pulses.time) & (pulses.time < end)]


def _heights(n: int, rng: np.random.Generator) -> Array:
    """Return heights from the two populations of XAMSL run 2240, with some in between."""
    lowest = np.array([55.0, 100.0, 1000.0])
    highest = np.array([100.0, 1000.0, 3000.0])
    population = rng.choice(3, n, p=[0.35, 0.16, 0.49])
    heights: Array = lowest[population] * (highest / lowest)[population] ** rng.random(n)
    return heights


def _outside_dead_time(pulses: Pulses, sample_widths: Array, busy_until: Array) -> Array:
    """Return which pulses begin when their channel is free.

    Pulses that are not recorded also count as making their channel busy; at 400 Hz there are few.
    """
    keep = np.zeros(len(pulses), dtype=bool)
    free = pulses.end(sample_widths) + MIN_GAP * sample_widths[pulses.input]
    for index, busy in enumerate(busy_until):
        mine = np.flatnonzero(pulses.input == index)
        mine = mine[np.argsort(pulses.time[mine], kind="stable")]
        free_again = np.maximum.accumulate(np.concatenate([[busy], free[mine]]))[:-1]
        keep[mine] = pulses.time[mine] >= free_again
    return keep


def _border_pulses(settings: SimulatedRun, sample_widths: Array, period: int) -> Pulses:
    """Return one pulse per channel across each of the period's two borders."""
    begin = period * settings.period_ns
    # Samples before the border: one record, so that no record crosses it; a record and a third of
    # the next one; all but the last two; only two.
    record, length = settings.record_length, settings.pulse_length
    offsets = np.minimum([record, record + record // 3, length - 2, 2], length - 2)
    n_inputs = len(sample_widths)
    border = np.repeat([0, 1], n_inputs)
    channel = np.tile(np.arange(n_inputs), 2)
    border_time = begin + np.array([settings.chunk_ns, settings.period_ns])[border]
    width = sample_widths[channel]
    time = (border_time // width - offsets[(2 * period + border + channel) % 4]) * width
    return Pulses(
        time=time,
        input=channel,
        event=time,
        length=np.full(2 * n_inputs, length),
        height=np.full(2 * n_inputs, BORDER_PULSE_HEIGHT),
        second_at=np.zeros(2 * n_inputs, dtype=np.int64),
        s2_width=np.zeros(2 * n_inputs),
    )


def _insert(laid: Pulses, pulses: Pulses, sample_widths: Array) -> Pulses:
    """Return all pulses in order of event and channel, except those in the way of a `laid` one."""
    free = np.ones(len(pulses), dtype=bool)
    ends = pulses.end(sample_widths)
    for channel, begin, end in zip(laid.input, laid.time, laid.end(sample_widths), strict=True):
        gap = MIN_GAP * sample_widths[channel]
        clear = (ends + gap <= begin) | (end + gap <= pulses.time)
        free &= (pulses.input != channel) | clear
    others = pulses[free]
    together = Pulses(
        **{
            name: np.concatenate([values, getattr(laid, name)])
            for name, values in vars(others).items()
        }
    )
    return together[np.lexsort((together.input, together.event))]
