"""The pulses of an LED run, and whether it is usable."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from xamsflow.analysis.gains import spectrum
from xamsflow.base.errors import ConfigurationError
from xamsflow.run import start
from xamsflow.settings.detector import Led
from xamsflow.state import layout

if TYPE_CHECKING:
    import strax

Array = npt.NDArray[Any]

DATA_TYPES = ("led_calibration", "records_led")

FEWEST_PULSES = 2000
"""With fewer, the statistical error exceeds 2 % at any occupancy."""

OCCUPANCY = (0.02, 3.0)
"""Photoelectrons per trigger. Below, under-amplified photoelectrons cannot be told from noise and
dark counts; above, less than 5 % of the triggers are without light."""

MOST_SATURATED = 1e-3
"""Share of pulses that reach the end of the ADC's range."""

LEAST_INSIDE = 0.95
"""Share of the light that must be inside the LED's window; what is missing biases the gain."""

SIGNIFICANCE = 5.0
"""Standard deviations from which the mean waveform has light."""

IMPOSSIBLE = 1e-6
"""Probability below which a deviation is not chance."""

MOST_ELSEWHERE = 5e-3
"""Share of triggers with light in the window without light; dark counts are far fewer."""

TAILS = (2.3, 97.7)
"""Percentiles: two standard deviations of a Gaussian distribution."""

MOST_ASYMMETRIC = 1.3
"""Ratio of the upper and the lower tail of the pedestal; light makes the upper one longer."""

LARGEST_MISFIT = 0.03
"""Largest distance between the cumulative distributions of data and model, relative to the share of
triggers with light. No model fits a long run of a real photomultiplier perfectly."""

KOLMOGOROV = 1.95
"""Distance that chance exceeds in one of 1000 spectra, times the root of the number of triggers."""

LARGEST_ERROR = 0.1
"""Relative error of the mean charge."""

N_PARTS = 20
"""Parts of the run whose occupancies are compared."""

LARGEST_CHANGE = 0.15
"""Relative rms change of the occupancy; a smaller one biases the gain by less than 1 %."""

LONGEST_CYCLE = 10
"""Triggers; an LED that flashes less often than the DAQ is found up to this ratio."""


@dataclass(frozen=True)
class Pulses:
    """The pulses of a channel in an LED run, in order of time.

    `light` and `blank` are charges in the LED's window and in an equally long window without light,
    in ADC counts x samples. `n_saturated` counts pulses that reach the end of the ADC's range,
    `n_short` those that end before the LED's window does. `waveform` is the mean of all pulses
    above their baseline, in ADC counts, `waveform_error` the error of its samples.
    """

    light: Array
    blank: Array
    n_saturated: int
    n_short: int
    waveform: Array
    waveform_error: float


def blank_window(led: Led, n_samples: int) -> tuple[int, int]:
    """Return the samples [first, end) of the window without light.

    It is as long as the LED's window, and directly before it: later, there may be afterpulses.
    Raises ConfigurationError if no such window lies outside the samples of the baseline.
    """
    first, beyond = led.light
    length = beyond - first
    for begin in (first - length, beyond):
        end = begin + length
        if begin >= 0 and end <= n_samples and (begin >= led.baseline[1] or end <= led.baseline[0]):
            return begin, end
    raise ConfigurationError(
        f"led.light of the detector is [{first}, {beyond - 1}], allowed: a window with as many "
        "samples without light before or after it, outside led.baseline"
    )


def read(context: "strax.Context", run_id: str, led: Led) -> dict[int, Pulses]:
    """Return the pulses of an LED run by channel; channels without pulses are missing.

    Raises ConfigurationError if the run has no LED data, which names what to do.
    """
    for name in DATA_TYPES:
        if not context.is_stored(run_id, name):
            raise ConfigurationError(
                f"run {run_id}: {name} is not stored, or was made with other settings; only LED "
                "runs have it",
                "create it with "
                f"`{start.typed('local', layout.data_type_receipt(run_id, DATA_TYPES[0]))}`",
            )
    calibration = context.get_array(run_id, DATA_TYPES[0], progress_bar=False)
    # strax could merge both, but would take the area, which both have, from the records.
    records = context.get_iter(run_id, DATA_TYPES[1], progress_bar=False)
    return collect(calibration, (chunk.data for chunk in records), led)


def collect(calibration: Array, records: Iterable[Array], led: Led) -> dict[int, Pulses]:
    """Return the pulses by channel, from ``led_calibration`` and parts of ``records_led``."""
    collected = {channel: _Collected() for channel in led.channels}
    done = 0
    for part in records:
        pulses = calibration[done : done + len(part)]
        done += len(part)
        window = blank_window(led, part["data"].shape[1])
        for channel, found in collected.items():
            mine = pulses["channel"] == channel
            found.add(pulses[mine], part["data"][mine], window)
    return {channel: found.pulses() for channel, found in collected.items() if found.n_pulses}


def problem(pulses: Pulses, led: Led) -> str | None:
    """Return why a channel's pulses do not determine a gain, or None."""
    n = len(pulses.light)
    if n < FEWEST_PULSES:
        short = f"; {pulses.n_short} pulses end before its end" if pulses.n_short else ""
        return f"only {n} pulses contain the LED's window, {FEWEST_PULSES} are needed{short}"
    if pulses.n_saturated > MOST_SATURATED * n:
        return f"{pulses.n_saturated / n:.1%} of the pulses are saturated: reduce the LED's light"
    pedestal, noise = _robust(pulses.blank)
    if noise == 0:
        return "there is no noise: is the channel connected?"
    is_lit = pulses.light > pedestal + SIGNIFICANCE * noise
    elsewhere = float(np.mean(pulses.blank > pedestal + SIGNIFICANCE * noise))
    low, high = np.percentile(pulses.blank, TAILS)
    if elsewhere > MOST_ELSEWHERE or high - pedestal > MOST_ASYMMETRIC * (pedestal - low):
        return (
            "there is light outside the LED's window: the LED and the trigger are not synchronous, "
            "or there is other light"
        )
    return (
        _misplaced(pulses, led)
        or _cycle(is_lit)
        or _occupancy(pulses)
        or _unstable(pulses.light > pedestal)
    )


def problem_of_fit(found: spectrum.Fit) -> str | None:
    """Return why a fit does not determine a gain, or None."""
    lit = 1 - np.exp(-found.occupancy)
    n = int(found.spectrum.light.sum())
    distance = np.abs(np.cumsum(found.expected - found.spectrum.light)).max() / n
    if distance > LARGEST_MISFIT * lit + KOLMOGOROV / n**0.5:
        return "the spectrum differs from the model: see the picture"
    if found.charge_error > LARGEST_ERROR * found.charge:
        return (
            f"the error is {found.charge_error / found.charge:.0%}: take more triggers, or use "
            "more light"
        )
    return None


@dataclass
class _Collected:
    """The data on a channel from the chunks of a run."""

    n_pulses: int = 0
    n_saturated: int = 0
    n_short: int = 0
    light: list[Array] = field(default_factory=list)
    blank: list[Array] = field(default_factory=list)
    sums: Array | None = None
    square: float = 0.0

    def add(self, pulses: Array, samples: Array, window: tuple[int, int]) -> None:
        """Add rows of ``led_calibration``, and the samples of the same pulses."""
        self.n_pulses += len(pulses)
        whole = np.isfinite(pulses["area"]) & (pulses["length"] >= window[1])
        self.n_short += int(np.sum(~whole))
        pulses, samples = pulses[whole], samples[whole]
        if not len(pulses):
            return
        # Only the integer part of the baseline has been subtracted.
        part = pulses["baseline"] % 1
        self.light.append(pulses["area"].astype(float))
        first, beyond = window
        blank = samples[:, first:beyond].sum(axis=1) + (beyond - first) * part
        self.blank.append(blank.astype(float))
        self.n_saturated += int(np.sum(pulses["amplitude_led"] >= pulses["baseline"] - 0.5))
        recorded = np.arange(samples.shape[1]) < pulses["length"].min()
        sums = np.where(recorded, samples.sum(axis=0) + part.sum(), 0)
        self.sums = sums if self.sums is None else self.sums + sums
        self.square += float(np.sum(pulses["baseline_rms"].astype(float) ** 2))

    def pulses(self) -> Pulses:
        """Return the pulses of all chunks."""
        none = np.zeros(0)
        light, blank = np.concatenate([none, *self.light]), np.concatenate([none, *self.blank])
        n = max(len(light), 1)
        return Pulses(
            light=light,
            blank=blank,
            n_saturated=self.n_saturated,
            n_short=self.n_short,
            waveform=none if self.sums is None else self.sums / n,
            waveform_error=self.square**0.5 / n,
        )


def _robust(charges: Array) -> tuple[float, float]:
    """Return the median and the standard deviation, from the central 68 % of the values."""
    low, median, high = np.percentile(charges, [15.87, 50, 84.13])
    return float(median), float(high - low) / 2


def _misplaced(pulses: Pulses, led: Led) -> str | None:
    first, beyond = led.light
    is_light = pulses.waveform > SIGNIFICANCE * pulses.waveform_error
    if not is_light.any():
        return "the mean waveform shows no light"
    inside = pulses.waveform[first:beyond][is_light[first:beyond]].sum()
    share = float(inside / pulses.waveform[is_light].sum())
    if share >= LEAST_INSIDE:
        return None
    samples = np.flatnonzero(is_light)
    return (
        f"only {share:.0%} of the light is in the LED's window: it comes in samples {samples[0]} "
        f"to {samples[-1]}, but the window has samples {first} to {beyond - 1}"
    )


def _cycle(is_lit: Array) -> str | None:
    """Return the problem of an LED that flashes less often than the DAQ is triggered."""
    for length in range(2, LONGEST_CYCLE + 1):
        rows = is_lit[: len(is_lit) // length * length].reshape(-1, length)
        lit = rows.sum(axis=0)
        table = np.array([lit, len(rows) - lit])
        if table.sum(axis=1).min() and stats.chi2_contingency(table).pvalue < IMPOSSIBLE:
            return (
                f"the light depends on the trigger's number modulo {length}: does the LED flash "
                "at each trigger?"
            )
    return None


def _occupancy(pulses: Pulses) -> str | None:
    least, most = OCCUPANCY
    found = spectrum.occupancy(pulses.light, pulses.blank)
    if found < least:
        return (
            f"{found:.3f} photoelectrons per trigger, at least {least:g} are needed: use more light"
        )
    if found > most:
        return (
            f"{found:.1f} photoelectrons per trigger, at most {most:g} are allowed: "
            "reduce the light, because some triggers without light are needed"
        )
    return None


def _unstable(is_above: Array) -> str | None:
    """Return the problem of light that changes during the run; `is_above`: above the pedestal."""
    parts = np.array_split(is_above, N_PARTS)
    # Half a trigger more, because a short part of a bright run may have none without light.
    without = np.array([(np.sum(~part) + 0.5) / (len(part) + 1) for part in parts])
    occupancy = -np.log(np.minimum(2 * without, 1))
    errors = np.sqrt((1 - without) / without / (len(is_above) / N_PARTS))
    excess = max(float(np.var(occupancy) - np.mean(errors**2)), 0) ** 0.5
    chi_square = float(np.sum((occupancy - occupancy.mean()) ** 2 / errors**2))
    is_chance = stats.chi2.sf(chi_square, N_PARTS - 1) > IMPOSSIBLE
    if is_chance or excess < LARGEST_CHANGE * occupancy.mean():
        return None
    return (
        f"the light changes during the run, from {occupancy.min():.2f} to {occupancy.max():.2f} "
        "photoelectrons per trigger"
    )
