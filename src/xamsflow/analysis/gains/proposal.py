"""The correction-file entry that is derived from an LED run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from xamsflow.analysis.gains import led_run, spectrum
from xamsflow.analysis.gains.led_run import Pulses
from xamsflow.analysis.gains.spectrum import Fit
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings.corrections import ByRun, Entry, Provenance
from xamsflow.settings.detector import Detector, Led, Signals
from xamsflow.state import layout

DIGITS = 6
"""Significant digits of a gain in a correction file, as in the published ones."""


@dataclass(frozen=True)
class Wanted:
    """The entry that is wanted from an LED run.

    `runs` are the first and the last run of the entry; None: from the LED run to the end of the
    range in which it is now. Channels in `keep` keep their present gain. `date` is in ISO 8601.
    """

    run: int
    runs: tuple[int, int] | None
    keep: Collection[int]
    date: str


@dataclass(frozen=True)
class ChannelGain:
    """The result of an LED run for a channel.

    `current` is the gain in use for the run, in PE per ADC count and sample. Without `problem`, the
    `fit` gives the new one; with it, there may be a fit, which is only shown.
    """

    channel: int
    current: float
    fit: Fit | None
    problem: str | None


@dataclass(frozen=True)
class Proposal:
    """The new entry of a group of signals; None if there is none, and `problem` says why."""

    signals: Signals
    channels: tuple[ChannelGain, ...]
    entry: Entry | None
    problem: str | None


def led_of(detector: Detector) -> Led:
    """Return where the light of a detector's LED is.

    Raises ConfigurationError if the detector has no LED.
    """
    if detector.led is None:
        raise ConfigurationError(
            f"detector {detector.name} has no LED", "add the section led to its file"
        )
    return detector.led


def measure(channel: int, pulses: Mapping[int, Pulses], led: Led) -> tuple[Fit | None, str | None]:
    """Return the fit of a channel, and why there is none or it cannot be used."""
    if channel not in led.channels:
        return None, "the LED does not reach this channel"
    if channel not in pulses:
        return None, "the run has no pulses of this channel"
    problem = led_run.problem(pulses[channel], led)
    if problem is not None:
        return None, problem
    try:
        found = spectrum.fit(pulses[channel].light, pulses[channel].blank)
    except ValueError as error:
        return None, str(error)
    return found, led_run.problem_of_fit(found)


def propose(detector: Detector, pulses: Mapping[int, Pulses], wanted: Wanted) -> list[Proposal]:
    """Return the proposal for each group of signals that sees the LED.

    There is no entry unless each channel of a group is measured or kept. Raises ConfigurationError
    if a channel to keep does not exist, or if the detector has no LED.
    """
    led = led_of(detector)
    groups = [detector.tpc.signals] if detector.tpc else []
    groups += detector.signals
    result = []
    for signals in groups:
        if set(signals.channels) & set(led.channels):
            result.append(_of_group(signals, led, pulses, wanted))
    known = {channel for one in result for channel in one.signals.channels}
    unknown = set(wanted.keep) - known
    if unknown:
        raise ConfigurationError(
            f"--keep names channel {min(unknown)}",
            f"allowed: {', '.join(map(str, sorted(known)))}",
        )
    return result


def _of_group(signals: Signals, led: Led, pulses: Mapping[int, Pulses], wanted: Wanted) -> Proposal:
    now = _now(signals.gains, wanted.run)
    current = now.value if now else [float("nan")] * len(signals.channels)
    channels = []
    for channel, gain in zip(signals.channels, current, strict=True):
        found, bad = measure(channel, pulses, led)
        channels.append(ChannelGain(channel, float(gain), found, bad))
    measured = tuple(channels)
    problem = _problem(signals, measured, now, wanted)
    entry = None if problem else _entry(measured, now, wanted)
    return Proposal(signals, measured, entry, problem)


def _now(gains: Any, run: int) -> Entry | None:
    if isinstance(gains, ByRun):
        return gains.entry(run)
    return Entry(run, run, gains)


def _problem(
    signals: Signals,
    channels: tuple[ChannelGain, ...],
    now: Entry | None,
    wanted: Wanted,
) -> str | None:
    keep = wanted.keep
    bad = [one.channel for one in channels if one.problem and one.channel not in keep]
    if bad:
        several = len(bad) > 1
        return (
            f"{signals.name}: channel{'s' if several else ''} {', '.join(map(str, bad))} "
            f"{'have' if several else 'has'} no gain from this run; take another LED run, or keep "
            f"the present gain with --keep {' '.join(map(str, bad))}"
        )
    if all(one.channel in keep for one in channels):
        return f"{signals.name}: all channels keep their gains"
    if not isinstance(signals.gains, ByRun):
        return (
            f"{signals.name}: the gains are in the detector file; move them to a file in "
            f"{layout.CORRECTIONS} to let them change from run to run"
        )
    if now is None and (wanted.runs is None or keep):
        return f"{signals.name}: {signals.gains.file} has no gains for this run; give --runs"
    return None


def _entry(channels: tuple[ChannelGain, ...], now: Entry | None, wanted: Wanted) -> Entry:
    first, last = wanted.runs or (wanted.run, now.last if now else wanted.run)
    fits = {one.channel: one.fit for one in channels if one.fit and one.channel not in wanted.keep}
    kept = [str(one.channel) for one in channels if one.channel in wanted.keep]
    return Entry(
        first,
        last,
        [
            _rounded(fits[one.channel].gain, DIGITS) if one.channel in fits else one.current
            for one in channels
        ],
        provenance=Provenance.ESTIMATED if kept else Provenance.MEASURED,
        why=f"not measured, as before: channel {', '.join(kept)}" if kept else "",
        run=wanted.run,
        date=wanted.date,
        error=[
            _rounded(fits[one.channel].gain_error, 2) if one.channel in fits else None
            for one in channels
        ],
    )


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
