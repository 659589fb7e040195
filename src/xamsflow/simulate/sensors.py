"""The light sensors behind a detector's channels: what they see, where, and their gain."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.detector import Detector
from xamsflow.simulate.physics import Physics

Array = NDArray[Any]

TOP_HEIGHT = 15.0
"""mm from the liquid's surface to the top array."""

REFLECTED = 0.4
"""Share of the top array's light that comes from the walls, alike in all channels."""


class Role(Enum):
    """What a channel sees: the xenon from below or above, the xenon with a SiPM, or not xenon."""

    BOTTOM = "bottom"
    TOP = "top"
    SIPM = "sipm"
    EXTERNAL = "external"


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


XAMS_GAINS = (0.0075, 0.0059, 0.0069, 0.0064, 0.0065, 0.0178, 0.00055)
"""Of XAMS' channels, runs 6724 to 6874; the last two are external PMT and SiPM."""


def sensors(detector: Detector, physics: Physics) -> tuple[Sensor, ...]:
    """Return the sensors by ascending channel."""
    channels = [
        (channel, channel in digitizer.positive_channels)
        for digitizer in detector.digitizers
        for channel in range(digitizer.first_channel, digitizer.last_channel + 1)
    ]
    roles = _roles(channels)
    top = [channel for channel, role in roles.items() if role is Role.TOP]
    result = []
    for index, (channel, role) in enumerate(roles.items()):
        x = y = 0.0
        if role is Role.TOP:
            angle = 2 * np.pi * (top.index(channel) + 0.5) / len(top)
            x, y = physics.radius / 2 * np.cos(angle), physics.radius / 2 * np.sin(angle)
        gain = XAMS_GAINS[6] if role is Role.SIPM else XAMS_GAINS[index % 5]
        result.append(Sensor(channel, role, float(x), float(y), gain))
    return tuple(result)


def _roles(channels: list[tuple[int, bool]]) -> dict[int, Role]:
    return {
        channel: Role.SIPM if positive else (Role.TOP if index else Role.BOTTOM)
        for index, (channel, positive) in enumerate(channels)
    }


def light_shares(
    all_sensors: tuple[Sensor, ...], physics: Physics, x: Array, y: Array, depth: Array
) -> Array:
    """Return the share of a signal's light per signal and sensor; those of TPC PMTs add up to 1.

    `depth` is mm below the surface; 0 is light of an S2, which is made above it. A simple map: the
    deeper, the more light goes to the bottom; a channel of the top array sees what is near it, and
    reflections.
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
