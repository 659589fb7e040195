"""The light of a simulated LED, and what a photomultiplier makes of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings.detector import Detector

Array = NDArray[Any]

UNDER_AMPLIFIED_MEAN = 0.25
UNDER_AMPLIFIED_SHAPE = 4.0


@dataclass(frozen=True)
class LedLight:
    """Flashes of an LED that also trigger the read-out of all channels.

    `occupancy` is the mean number of photoelectrons per flash and channel, `frequency` the rate of
    triggers in Hz. The light arrives `delay` ns after a pulse's first sample, spread over `width`
    (rms, ns); without `synchronous`, it arrives at any time. Only every `every`-th trigger has
    light. The detector file's gain for the run is PE per mean charge; `gain_factor` multiplies the
    charge. Charges of single photoelectrons have a Gaussian distribution with a relative
    `spe_spread`; a fraction `under_amplified` has a quarter of the charge.
    Channels in `dead_channels` give no data. Raises ConfigurationError for impossible values.
    """

    occupancy: float = 0.5
    frequency: float = 1000.0
    delay: float = 180.0
    width: float = 4.0
    synchronous: bool = True
    every: int = 1
    gain_factor: float = 1.0
    spe_spread: float = 0.35
    under_amplified: float = 0.1
    dead_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest or math.isnan(value):
                raise ConfigurationError(
                    f"simulated LED: {name.replace('_', ' ')} is {value!r}, "
                    f"allowed: {lowest:g} to {highest:g}"
                )

    @classmethod
    def of(cls, detector: Detector, **choices: Any) -> "LedLight":
        """Return light that arrives in the detector's LED window.

        Raises ConfigurationError if the detector has no LED.
        """
        if detector.led is None:
            raise ConfigurationError(
                f"detector {detector.name} has no LED", "add the section led to its file"
            )
        (width,) = (
            one.sample_width for one in detector.digitizers if one.name == detector.led.digitizer
        )
        first, beyond = detector.led.light
        return cls(**{"delay": width * (first + (beyond - first) / 3)} | choices)

    def photoelectrons(self, number: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the charge (in mean charges) and the flash of the photoelectrons of a channel.

        `number` are the numbers of the triggers since the start of the run.
        """
        mean = np.where(number % self.every == 0, self.occupancy, 0)
        flash = np.repeat(np.arange(len(number)), rng.poisson(mean))
        charge = 1 + self.spe_spread * rng.standard_normal(len(flash))
        is_under = rng.random(len(flash)) < self.under_amplified
        shape = UNDER_AMPLIFIED_SHAPE
        partial = rng.gamma(shape, UNDER_AMPLIFIED_MEAN / shape, len(flash))
        charge = np.where(is_under, partial, charge)
        return charge / (1 - self.under_amplified * (1 - UNDER_AMPLIFIED_MEAN)), flash

    def arrival(self, number: Array, pulse_ns: int, rng: np.random.Generator) -> Array:
        """Return the time of photoelectrons since the first sample of their pulse, ns."""
        if not self.synchronous:
            return rng.uniform(0, pulse_ns, len(number))
        return np.maximum(rng.normal(self.delay, self.width, len(number)), 0)


_RANGES = {
    "occupancy": (0, 1000),
    "frequency": (0.1, 1e5),
    "delay": (0, 1e5),
    "width": (0, 1000),
    "every": (1, 1000),
    "gain_factor": (0.01, 100),
    "spe_spread": (0.01, 1),
    "under_amplified": (0, 0.5),
}
