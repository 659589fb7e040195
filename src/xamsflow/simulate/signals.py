"""The signals of a simulated detector and all of their photoelectrons: the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.simulate.pulses import FIRST_DATA
from xamsflow.simulate.sensors import Role, Sensor, light_shares
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.xenon import Physics

Array = NDArray[Any]

NO_EVENT = -1
EXTERNAL_DECAY = 230.0
"""ns, for NaI(Tl)."""

FARTHEST = 5.0
"""Maximum distance of photons and electrons from the middle of their S2, in standard deviations."""

BORDER_OFFSETS = (0.0, -3.0, 1.0, 3.0, -1.0, -2.0, 2.0)
"""Positions of the middle of S2s placed across chunk boundaries, in standard deviations."""


class Signal(IntEnum):
    """The kind of a row in the truth; S1 and S2 have strax's numbers for these types."""

    S1 = 1
    S2 = 2
    SINGLE_ELECTRON = 3
    DARK_COUNT = 4
    AFTERPULSE = 5
    EXTERNAL = 6


def signal_dtype(n_channels: int) -> np.dtype[Any]:
    """Return the fields of the truth; times are ns since the run's start, areas PE, lengths mm.

    `time` and `endtime` are the times of the first and last photoelectron, `center_time` is the
    mean weighted by charge. `expected_area` is the area without photon statistics, `area` the
    charge of all photoelectrons (for S1 and S2: in the TPC's PMTs), `recorded_area` the part of it
    for which a digitizer gave samples. `area_per_channel` has all channels, ascending. `z` is below
    0 in the liquid; `drift_time` is from the interaction to the electrons' arrival.
    """
    return np.dtype(
        [
            ("time", "<i8"),
            ("endtime", "<i8"),
            ("center_time", "<f8"),
            ("type", "i1"),
            ("event", "<i8"),
            ("x", "<f4"),
            ("y", "<f4"),
            ("z", "<f4"),
            ("drift_time", "<f4"),
            ("n_electrons", "<i4"),
            ("n_photoelectrons", "<i4"),
            ("expected_area", "<f4"),
            ("area", "<f4"),
            ("recorded_area", "<f4"),
            ("area_per_channel", "<f4", (n_channels,)),
        ]
    )


@dataclass(frozen=True)
class Photoelectrons:
    """Photoelectrons as arrays of equal length.

    `time` is ns since the run's start, `input` indexes the channels, `charge` is PE, `signal`
    indexes the run's signals.
    """

    time: Array
    input: Array
    charge: Array
    signal: Array

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, selection: Any) -> "Photoelectrons":
        return Photoelectrons(**{name: values[selection] for name, values in vars(self).items()})

    @staticmethod
    def joined(several: Sequence["Photoelectrons"]) -> "Photoelectrons":
        """Return all photoelectrons of several sets, one set after another."""
        fields = ("time", "input", "charge", "signal")
        return Photoelectrons(
            **{name: np.concatenate([getattr(one, name) for one in several]) for name in fields}
        )

    @staticmethod
    def none() -> "Photoelectrons":
        """Return an empty set."""
        integers = np.zeros(0, dtype=np.int64)
        return Photoelectrons(np.zeros(0), integers, np.zeros(0), integers)


class SignalSource:
    """The signals of a run, in consecutive blocks of time and with consecutive numbers."""

    def __init__(self, settings: SimulatedRun, physics: Physics, sensors: tuple[Sensor, ...]):
        self._settings = settings
        self._physics = physics
        self._sensors = sensors
        self._dtype = signal_dtype(len(sensors))
        self._in_tpc = np.array([sensor.is_tpc_pmt for sensor in sensors])
        self._n_signals = 0
        self._n_events = 0

    def block(self, number: int, begin: int, end: int, latest: int) -> tuple[Array, Photoelectrons]:
        """Return the truth of events and dark counts that begin in [begin, end), in any order.

        Their photoelectrons may be up to `earliest` before `begin`, and some long after `end`.
        Signals that are not over at `latest`, and those without photoelectrons, are left out.
        """
        rng = np.random.default_rng([self._settings.seed, self._settings.number, 2, number])
        begin = min(max(begin, FIRST_DATA), end)
        makers = [
            *self._events(begin, end, rng),
            self._single_electrons(begin, end, rng),
            self._dark_counts(begin, end, rng),
        ]
        rows = np.concatenate([one for one, _ in makers])
        offsets = np.cumsum([0, *(len(one) for one, _ in makers)])
        photoelectrons = Photoelectrons.joined(
            [
                Photoelectrons(one.time, one.input, one.charge, one.signal + offset)
                for (_, one), offset in zip(makers, offsets, strict=False)
            ]
        )
        after_rows, after = self._afterpulses(rows, photoelectrons, rng)
        rows = np.concatenate([rows, after_rows])
        photoelectrons = Photoelectrons.joined([photoelectrons, after])
        alive = ~np.isin(
            np.array([sensor.channel for sensor in self._sensors]), self._physics.dead_channels
        )
        photoelectrons = photoelectrons[alive[photoelectrons.input]]
        return self._numbered(self._summed(rows, photoelectrons), photoelectrons, latest)

    def earliest(self) -> int:
        """Return the maximum time from a photoelectron to its later event, ns."""
        physics = self._physics
        return round(FARTHEST * (self._s2_width(physics.drift_length) + physics.s2_width)) + 1000

    def _s2_width(self, depth: float) -> float:
        physics = self._physics
        diffused = 2 * physics.longitudinal_diffusion * physics.drift_time(depth)
        return float(np.sqrt(diffused)) / physics.drift_velocity

    def _events(
        self, begin: int, end: int, rng: np.random.Generator
    ) -> list[tuple[Array, Photoelectrons]]:
        """Return S1s, S2s, subsequent single electrons, and external signals of events."""
        physics = self._physics
        n_random = rng.poisson(physics.event_rate * (end - begin) / NS_PER_S)
        time = np.sort(rng.uniform(begin, end, n_random))
        depth = rng.uniform(physics.gate_depth, physics.drift_length, n_random)
        if self._settings.border_pulses:
            laid_time, laid_depth = self._border_events(begin, end)
            time, depth = np.concatenate([time, laid_time]), np.concatenate([depth, laid_depth])
        n = len(time)
        event = self._n_events + np.arange(n)
        self._n_events += n
        radius = physics.radius * np.sqrt(rng.random(n))
        angle = rng.uniform(0, 2 * np.pi, n)

        s1 = np.zeros(n, dtype=self._dtype)
        s1["event"] = event
        s1["x"], s1["y"], s1["z"] = radius * np.cos(angle), radius * np.sin(angle), -depth
        s1["drift_time"] = depth / physics.drift_velocity
        s2 = s1.copy()
        s1["type"], s2["type"] = Signal.S1, Signal.S2
        s1["expected_area"] = _log_uniform(physics.s1_area, n, rng)
        electrons = rng.poisson(_log_uniform(physics.s2_area, n, rng) / physics.electron_area)
        survive = np.exp(-depth / physics.drift_velocity / physics.electron_lifetime)
        s2["n_electrons"] = rng.binomial(electrons, survive)
        s2["expected_area"] = s2["n_electrons"] * physics.electron_area

        n_after = rng.poisson(physics.single_electrons_per_s2, n)
        after = np.repeat(s2, n_after)
        after["type"] = Signal.SINGLE_ELECTRON
        after["n_electrons"] = 1
        after["expected_area"] = physics.electron_area
        drift = depth / physics.drift_velocity
        longest = physics.drift_time(physics.drift_length)
        after_time = np.repeat(time + drift, n_after) + rng.uniform(0, longest, len(after))

        is_seen = rng.random(n) < physics.external_fraction
        return [
            self._s1s(s1, time, rng),
            self._electrons(s2, time + drift, rng),
            self._electrons(after, after_time, rng),
            self._external(event[is_seen], time[is_seen], rng),
        ]

    def _border_events(self, begin: int, end: int) -> tuple[Array, Array]:
        """Return the time and depth of events in [begin, end) whose S2 crosses a border.

        Borders are the start of each overlap and of each main part except the first.
        """
        settings, physics = self._settings, self._physics
        longest = round(physics.drift_time(physics.drift_length))
        reach = longest + 100 * round(physics.s2_width)
        times, depths = [], []
        for period in range(
            max(0, (begin - reach) // settings.period_ns), (end + reach) // settings.period_ns + 1
        ):
            for kind, border in enumerate(
                (
                    period * settings.period_ns,
                    period * settings.period_ns + settings.chunk_ns,
                )
            ):
                rng = np.random.default_rng([settings.seed, settings.number, 3, period, kind])
                depth = rng.uniform(physics.gate_depth, physics.drift_length)
                offset = BORDER_OFFSETS[(2 * period + kind) % len(BORDER_OFFSETS)]
                time = border + offset * physics.s2_width - physics.drift_time(depth)
                if begin <= time < end:
                    times.append(time)
                    depths.append(depth)
        return np.array(times), np.array(depths)

    def _s1s(
        self, rows: Array, time: Array, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        physics = self._physics
        shares = self._shares(rows, -rows["z"])
        signal, source = _detected(rng.poisson(rows["expected_area"][:, np.newaxis] * shares))
        n = len(signal)
        is_singlet = rng.random(n) < physics.singlet_fraction
        decay = np.where(is_singlet, physics.singlet_time, physics.triplet_time)
        delay = rng.exponential(decay) + rng.normal(0, physics.transit_time_spread, n)
        return rows, self._amplified(time[signal] + delay, source, signal, rng)

    def _electrons(
        self, rows: Array, arrival: Array, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        """Return the light of electrons that leave the liquid around `arrival`.

        Diffusion spreads the electrons of a signal, and the path through the gas the photons of
        each electron.
        """
        physics = self._physics
        of_electron = np.repeat(np.arange(len(rows)), rows["n_electrons"])
        single = rows["type"] == Signal.SINGLE_ELECTRON
        drift = np.where(single, 0, rows["drift_time"])
        width = np.sqrt(2 * physics.longitudinal_diffusion * drift) / physics.drift_velocity
        electron_time = arrival[of_electron] + width[of_electron] * _normal(len(of_electron), rng)
        shares = self._shares(rows, np.zeros(len(rows)))[of_electron]
        electron, source = _detected(rng.poisson(physics.electron_area * shares))
        delay = physics.s2_width * _normal(len(electron), rng)
        signal = of_electron[electron]
        return rows, self._amplified(electron_time[electron] + delay, source, signal, rng)

    def _external(
        self, event: Array, time: Array, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        external = [i for i, one in enumerate(self._sensors) if one.role is Role.EXTERNAL]
        rows = np.zeros(len(event) if external else 0, dtype=self._dtype)
        if not len(rows):
            return rows, Photoelectrons.none()
        rows["type"] = Signal.EXTERNAL
        rows["event"] = event
        rows["expected_area"] = _log_uniform(self._physics.external_area, len(rows), rng)
        shares = np.zeros((len(rows), len(self._sensors)))
        shares[:, external] = 1 / len(external)
        signal, source = _detected(rng.poisson(rows["expected_area"][:, np.newaxis] * shares))
        delay = rng.exponential(EXTERNAL_DECAY, len(signal))
        return rows, self._amplified(time[signal] + delay, source, signal, rng)

    def _single_electrons(
        self, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        physics = self._physics
        n = rng.poisson(physics.single_electron_rate * (end - begin) / NS_PER_S)
        rows = np.zeros(n, dtype=self._dtype)
        rows["type"] = Signal.SINGLE_ELECTRON
        rows["event"] = NO_EVENT
        rows["n_electrons"] = 1
        rows["expected_area"] = physics.electron_area
        radius = physics.radius * np.sqrt(rng.random(n))
        angle = rng.uniform(0, 2 * np.pi, n)
        rows["x"], rows["y"] = radius * np.cos(angle), radius * np.sin(angle)
        return self._electrons(rows, rng.uniform(begin, end, n), rng)

    def _dark_counts(
        self, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        physics = self._physics
        rate = np.array(
            [
                physics.sipm_dark_rate if sensor.role is Role.SIPM else physics.dark_rate
                for sensor in self._sensors
            ]
        )
        source = np.repeat(
            np.arange(len(rate)), rng.poisson(rate * (end - begin) / NS_PER_S)
        ).astype(np.int64)
        rows = np.zeros(len(source), dtype=self._dtype)
        rows["type"] = Signal.DARK_COUNT
        rows["event"] = NO_EVENT
        rows["expected_area"] = 1
        signal = np.arange(len(source))
        return rows, self._amplified(rng.uniform(begin, end, len(source)), source, signal, rng)

    def _afterpulses(
        self, rows: Array, parents: Photoelectrons, rng: np.random.Generator
    ) -> tuple[Array, Photoelectrons]:
        """Return afterpulses of PMTs, each as a separate signal, numbered on from `rows`."""
        physics = self._physics
        is_pmt = np.array([sensor.role is not Role.SIPM for sensor in self._sensors])
        is_parent = rng.random(len(parents)) < physics.afterpulse_probability
        parents = parents[is_parent & is_pmt[parents.input]]
        after = np.zeros(len(parents), dtype=self._dtype)
        after["type"] = Signal.AFTERPULSE
        after["event"] = rows["event"][parents.signal]
        after["expected_area"] = 1
        time = parents.time + rng.exponential(physics.afterpulse_delay, len(parents))
        signal = len(rows) + np.arange(len(parents))
        return after, self._amplified(time, parents.input, signal, rng)

    def _shares(self, rows: Array, depth: Array) -> Array:
        return light_shares(
            self._sensors,
            self._physics,
            rows["x"].astype(float),
            rows["y"].astype(float),
            depth.astype(float),
        )

    def _amplified(
        self, time: Array, source: Array, signal: Array, rng: np.random.Generator
    ) -> Photoelectrons:
        shape = self._physics.spe_spread**-2
        charge = rng.gamma(shape, 1 / shape, len(time))
        return Photoelectrons(time, source, charge, signal)

    def _summed(self, rows: Array, photoelectrons: Photoelectrons) -> Array:
        """Return the rows with the sums over their photoelectrons."""
        n, signal = len(rows), photoelectrons.signal
        first, last = np.full(n, np.inf), np.full(n, -np.inf)
        np.minimum.at(first, signal, photoelectrons.time)
        np.maximum.at(last, signal, photoelectrons.time)
        n_channels = len(self._sensors)
        per_channel = np.bincount(
            signal * n_channels + photoelectrons.input, photoelectrons.charge, n * n_channels
        ).reshape(n, n_channels)
        rows["area_per_channel"] = per_channel
        counted = self.counts(rows, photoelectrons)
        rows["area"] = np.bincount(signal[counted], photoelectrons.charge[counted], n)
        rows["n_photoelectrons"] = np.bincount(signal[counted], minlength=n)
        seen = np.flatnonzero(np.isfinite(first) & (rows["area"] > 0))
        rows["time"][seen] = np.floor(first[seen])
        rows["endtime"][seen] = np.ceil(last[seen])
        since = photoelectrons.time - rows["time"][signal]
        moment = np.bincount(signal[counted], (photoelectrons.charge * since)[counted], n)
        rows["center_time"][seen] = rows["time"][seen] + moment[seen] / rows["area"][seen]
        return rows

    def counts(self, rows: Array, photoelectrons: Photoelectrons) -> Array:
        """Return which photoelectrons count for the area of their signals, which are in `rows`."""
        in_one_channel = (Signal.DARK_COUNT, Signal.AFTERPULSE, Signal.EXTERNAL)
        anywhere = np.isin(rows["type"], in_one_channel)
        counted: Array = anywhere[photoelectrons.signal] | self._in_tpc[photoelectrons.input]
        return counted

    def _numbered(
        self, rows: Array, photoelectrons: Photoelectrons, latest: int
    ) -> tuple[Array, Photoelectrons]:
        """Remove signals that were not seen or end too late; number the others by time."""
        kept = np.flatnonzero((rows["n_photoelectrons"] > 0) & (rows["endtime"] < latest))
        kept = kept[np.argsort(rows["time"][kept], kind="stable")]
        number = np.full(len(rows), -1)
        number[kept] = self._n_signals + np.arange(len(kept))
        self._n_signals += len(kept)
        left = photoelectrons[number[photoelectrons.signal] >= 0]
        return rows[kept], Photoelectrons(left.time, left.input, left.charge, number[left.signal])


def _detected(counts: Array) -> tuple[Array, Array]:
    """Return the signal and channel of each photoelectron, from counts per signal and channel."""
    n_signals, n_channels = counts.shape
    index = np.repeat(np.arange(n_signals * n_channels), counts.ravel())
    signal, channel = np.divmod(index, n_channels)
    return signal, channel


def _log_uniform(limits: tuple[float, float], n: int, rng: np.random.Generator) -> Array:
    lowest, highest = limits
    values: Array = lowest * (highest / lowest) ** rng.random(n)
    return values


def _normal(n: int, rng: np.random.Generator) -> Array:
    return np.clip(rng.standard_normal(n), -FARTHEST, FARTHEST)
