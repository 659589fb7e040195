"""The physics of the simulated xenon: rates, sizes and shapes of signals, checked.

Drift, gains and thresholds are the published ones of XAMS; sizes of signals can be chosen freely.
"""

import math
from dataclasses import dataclass
from typing import Any

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import corrections
from xamsflow.settings.detector import Detector


@dataclass(frozen=True)
class Physics:
    """Parameters of S1, S2 and accompanying signals. Times are ns, lengths mm, areas PE.

    `event_rate` is in Hz. Each event has an S1 and an S2, whose mean areas are drawn independently
    from log-uniform distributions over `s1_area` and `s2_area` (S2: before electrons are lost
    during drift); the energies of a source would leave most of this plane empty. The depth is
    uniform between gate and bottom. `s2_width` is the standard deviation of an S2 without drift, to
    which `longitudinal_diffusion` (mm²/ns) adds. `dark_rate` is in Hz per PMT, `sipm_dark_rate` per
    SiPM. `spe_spread` is the relative spread of a single photoelectron's charge. `gain_spread` is
    the relative rms deviation of the channels' gains from the detector file. An external detector,
    if there is one, sees `external_fraction` of the events. Sensors of `dead_channels` see nothing;
    the cables of the two `swapped_channels` are exchanged.
    Raises ConfigurationError for impossible values.
    """

    event_rate: float = 50.0
    s1_area: tuple[float, float] = (5.0, 500.0)
    s2_area: tuple[float, float] = (100.0, 20_000.0)
    drift_velocity: float = 1.04e-3
    drift_length: float = 52.0
    gate_depth: float = 5.2
    radius: float = 31.0
    electron_lifetime: float = 250_000.0
    longitudinal_diffusion: float = 2.5e-6
    electron_area: float = 20.0
    s2_width: float = 1000.0
    singlet_fraction: float = 0.3
    singlet_time: float = 3.0
    triplet_time: float = 26.0
    transit_time_spread: float = 1.2
    single_electrons_per_s2: float = 0.3
    single_electron_rate: float = 5.0
    afterpulse_probability: float = 0.003
    afterpulse_delay: float = 1200.0
    dark_rate: float = 50.0
    sipm_dark_rate: float = 500.0
    sipm_light: float = 0.03
    external_fraction: float = 0.3
    external_area: tuple[float, float] = (20.0, 500.0)
    spe_spread: float = 0.35
    gain_spread: float = 0.0
    pmt_pulse: tuple[float, float] = (1.2, 2.5)
    sipm_pulse: tuple[float, float] = (4.0, 60.0)
    dead_channels: tuple[int, ...] = ()
    swapped_channels: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("s1_area", "s2_area", "external_area"):
            lowest, highest = getattr(self, name)
            if not 0 < lowest <= highest <= 1e7:
                raise self._wrong(name, "two areas above 0, the smaller first, up to 1e7 PE")
        for name in ("pmt_pulse", "sipm_pulse"):
            rise, fall = getattr(self, name)
            if not 0 < rise < fall <= 1000:
                raise self._wrong(name, "a rise time above 0 and a longer fall time, up to 1000 ns")
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest or math.isnan(value):
                raise self._wrong(name, f"{lowest:g} to {highest:g}")
        if not 0 < self.gate_depth < self.drift_length:
            raise self._wrong("gate_depth", "more than 0 and less than the drift length")

    @classmethod
    def of(cls, detector: Detector, run: int, **choices: Any) -> "Physics":
        """Return physics with the drift velocity and electron lifetime from the detector file.

        `choices` are other fields. Raises ConfigurationError if the lifetime is in a correction
        file that does not cover this run.
        """
        if detector.tpc is not None:
            known: dict[str, Any] = {"drift_velocity": detector.tpc.drift_velocity}
            lifetime = corrections.of_run(detector.tpc.electron_lifetime, run)
            if lifetime is not None:
                known["electron_lifetime"] = float(lifetime)
            choices = known | choices
        return cls(**choices)

    def drift_time(self, depth: float) -> float:
        """Return the drift time of electrons from a depth (mm) to the surface, ns."""
        return depth / self.drift_velocity

    def _wrong(self, name: str, allowed: str) -> ConfigurationError:
        label = name.replace("_", " ")
        return ConfigurationError(
            f"simulated physics: {label} is {getattr(self, name)!r}, allowed: {allowed}"
        )


_RANGES = {
    "event_rate": (0, 1e4),
    "drift_velocity": (1e-4, 1e-2),
    "drift_length": (1, 3000),
    "radius": (1, 3000),
    "electron_lifetime": (1e3, 1e9),
    "longitudinal_diffusion": (0, 1e-3),
    "electron_area": (1, 1000),
    "s2_width": (50, 20_000),
    "singlet_fraction": (0, 1),
    "singlet_time": (0.1, 1000),
    "triplet_time": (0.1, 1000),
    "transit_time_spread": (0, 100),
    "single_electrons_per_s2": (0, 1000),
    "single_electron_rate": (0, 1e4),
    "afterpulse_probability": (0, 0.5),
    "afterpulse_delay": (10, 20_000),
    "dark_rate": (0, 2e4),
    "sipm_dark_rate": (0, 2e4),
    "sipm_light": (0, 1),
    "external_fraction": (0, 1),
    "spe_spread": (0.01, 1),
    "gain_spread": (0, 0.5),
}
