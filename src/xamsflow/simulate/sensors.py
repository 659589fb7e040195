"""The light sensors of a detector's channels: what they see, their positions and gains."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.settings import corrections
from xamsflow.settings.detector import N_TOP_OF_POLYNOMIALS, Detector, Signals
from xamsflow.simulate.xenon import Physics

Array = NDArray[Any]

TOP_HEIGHT = 15.0
"""mm from the liquid's surface to the top array."""

REFLECTED = 0.4
"""Share of the top array's light that is reflected by the walls, equal in all channels."""


class Role(Enum):
    """What a channel sees; PMTs of a TPC without separate arrays count as top.

    A SIPM sees xenon but does not count for the area of its signals. UNUSED channels give only dark
    counts, as do all channels of digitizers other than the TPC's, whose purpose is unknown.
    """

    BOTTOM = "bottom"
    TOP = "top"
    SIPM = "sipm"
    EXTERNAL = "external"
    UNUSED = "unused"


@dataclass(frozen=True)
class Sensor:
    """A channel's sensor at `x`, `y` (mm); `gain` is PE per ADC count and sample."""

    channel: int
    role: Role
    x: float
    y: float
    gain: float

    @property
    def is_tpc_pmt(self) -> bool:
        """Whether its photoelectrons count for the area of S1 and S2."""
        return self.role in (Role.BOTTOM, Role.TOP)


UNKNOWN_GAIN = 0.0075
"""PE per ADC count and sample for a channel without an entry in the detector file."""


def sensors(detector: Detector, run: int, physics: Physics) -> tuple[Sensor, ...]:
    """Return the sensors by ascending channel, with the detector file's gains for the run.

    Raises ConfigurationError if the gains are in a correction file that does not cover this run.
    """
    known = _known(detector, run)
    positions = (
        {channel: (x, y) for channel, x, y in detector.tpc.positions} if detector.tpc else {}
    )
    top = [channel for channel, (role, _) in known.items() if role is Role.TOP]
    result = []
    for digitizer in detector.digitizers:
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1):
            role, gain = known.get(channel, (Role.UNUSED, UNKNOWN_GAIN))
            x, y = positions.get(channel, (0.0, 0.0))
            if role is Role.TOP and channel not in positions:
                x, y = _on_a_ring(top.index(channel), len(top), physics.radius / 2)
            result.append(Sensor(channel, role, x, y, gain))
    return tuple(result)


def _on_a_ring(number: int, n: int, radius: float) -> tuple[float, float]:
    """Return the position of a sensor of unknown position, in mm.

    Of four, light in the first and second one means a high x, light in the first and third one a
    high y, as in XAMS.
    """
    if n == N_TOP_OF_POLYNOMIALS:
        number = (0, 3, 1, 2)[number]
    angle = 2 * math.pi * (number + 0.5) / n
    return radius * math.cos(angle), radius * math.sin(angle)


def _known(detector: Detector, run: int) -> dict[int, tuple[Role, float]]:
    """Return the role and gain of the channels that belong to groups of signals."""
    groups: list[tuple[Signals, Role]] = []
    if detector.tpc is not None:
        groups.append((detector.tpc.signals, Role.TOP))
    groups += [(signals, Role.EXTERNAL) for signals in detector.signals]
    known = {}
    for signals, usual in groups:
        gains = corrections.of_run(signals.gains, run)
        for channel, gain in zip(signals.channels, gains, strict=True):
            role = usual
            if detector.tpc is not None and signals.digitizer != detector.tpc.signals.digitizer:
                role = Role.UNUSED
            elif usual is Role.EXTERNAL and channel in signals.positive_channels:
                role = Role.SIPM
            if detector.tpc is not None and channel in detector.tpc.signals.bottom:
                role = Role.BOTTOM
            known[channel] = (role, float(gain))
    return known


def light_shares(
    all_sensors: tuple[Sensor, ...], physics: Physics, x: Array, y: Array, depth: Array
) -> Array:
    """Return each sensor's share of each signal's light; the shares of TPC PMTs add up to 1.

    `depth` is mm below the surface; 0 stands for the light of an S2, which is made above it. The
    map is simple: the deeper the signal, the more light goes to the bottom; a channel of the top
    array sees nearby light and reflections.
    """
    roles = np.array([sensor.role for sensor in all_sensors])
    bottom, top = roles == Role.BOTTOM, roles == Role.TOP
    at_bottom = 0.4 + 0.4 * depth / physics.drift_length
    if not top.any():
        at_bottom = np.ones(len(x))
    elif not bottom.any():
        at_bottom = np.zeros(len(x))
    shares = np.zeros((len(x), len(all_sensors)))
    if bottom.any():
        shares[:, bottom] = (at_bottom / bottom.sum())[:, np.newaxis]
    if top.any():
        sensor_x = np.array([sensor.x for sensor in all_sensors])[top]
        sensor_y = np.array([sensor.y for sensor in all_sensors])[top]
        height = TOP_HEIGHT + depth[:, np.newaxis]
        aside = (x[:, np.newaxis] - sensor_x) ** 2 + (y[:, np.newaxis] - sensor_y) ** 2
        direct = height / (height**2 + aside) ** 1.5
        direct /= direct.sum(axis=1, keepdims=True)
        near = REFLECTED / top.sum() + (1 - REFLECTED) * direct
        shares[:, top] = (1 - at_bottom)[:, np.newaxis] * near
    shares[:, roles == Role.SIPM] = physics.sipm_light
    return shares
