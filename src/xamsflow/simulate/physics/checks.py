"""Requirements for the reconstruction, and whether two simulated runs meet them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate import Signal, SimulatedRun
from xamsflow.simulate.physics import quality
from xamsflow.simulate.physics.matching import MatchedEvents, match_events
from xamsflow.simulate.physics.quality import AreaResponse, DriftResiduals, Efficiency, Miscount
from xamsflow.simulate.physics.sample import Sample

Array = NDArray[Any]

MIN_AREA = {Signal.S1: 10.0, Signal.S2: 200.0}
"""PE; the requirements apply to signals above this area."""

MIN_EFFICIENCY = 0.99
MAX_BIAS = 0.02
MAX_RESOLUTION = 1.10
"""Spread of areas, in units of the spread from photon statistics."""
MAX_DRIFT_RESIDUAL = 50.0
"""ns rms."""
MAX_CONFUSION = 0.01
MAX_AREA_CHANGE = 0.001

MIN_IN_BIN = 30
"""Minimum number of signals in a bin for it to be judged."""

EFFICIENCY_EDGES = {
    Signal.S1: np.geomspace(3, 500, 24),
    Signal.S2: np.geomspace(60, 15_000, 24),
}
AREA_EDGES = {
    Signal.S1: np.array([5.0, 10, 20, 40, 80, 160, 320, 500]),
    Signal.S2: np.array([100.0, 200, 400, 800, 1600, 3200, 6400, 20_000]),
}
"""PE; each has an edge where the requirements begin."""


@dataclass(frozen=True)
class Check:
    """A number, its requirement, and whether it is met; `detail` says how it was obtained."""

    name: str
    value: str
    required: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Measurements:
    """All numbers of a run with usual signals, and of one with S2s across chunk boundaries."""

    usual: Sample
    borders: Sample

    @cached_property
    def efficiency(self) -> dict[Signal, Efficiency]:
        """By kind of signal, in fine bins."""
        return {
            kind: quality.efficiency(self.usual.matched, kind, edges)
            for kind, edges in EFFICIENCY_EDGES.items()
        }

    @cached_property
    def areas(self) -> dict[Signal, AreaResponse]:
        """By kind of signal."""
        return {
            kind: quality.area_response(self.usual.matched, kind, edges)
            for kind, edges in AREA_EDGES.items()
        }

    @cached_property
    def time_residuals(self) -> dict[Signal, Array]:
        """By kind of signal, ns."""
        return {
            kind: quality.time_residuals(self.usual.matched, kind, area)
            for kind, area in MIN_AREA.items()
        }

    @cached_property
    def events(self) -> MatchedEvents:
        """Interactions and their events."""
        return match_events(
            self.usual.matched, self.usual.events, MIN_AREA[Signal.S1], MIN_AREA[Signal.S2]
        )

    @cached_property
    def drift(self) -> DriftResiduals:
        """Residuals of the drift time, ns."""
        return quality.drift_residuals(self.usual.matched, self.events, self.usual.events)

    @cached_property
    def confusion(self) -> Array:
        """Found signals by kind (rows) and type of their peak (columns)."""
        return quality.confusion(self.usual.matched, MIN_AREA)

    @cached_property
    def miscount(self) -> tuple[Miscount, Miscount]:
        """Signals lost, doubled or invented in the usual run and in the run with S2s on borders."""
        usual, borders = (
            quality.miscount(one.matched, MIN_AREA) for one in (self.usual, self.borders)
        )
        return usual, borders

    @cached_property
    def on_borders(self) -> Array:
        """Indices of the S2s across chunk boundaries in the run with such S2s."""
        matched = self.borders.matched
        chosen = matched.select(Signal.S2, MIN_AREA[Signal.S2], alone=True)
        return chosen[is_across_border(self.borders.settings, matched.signals[chosen])]

    def checks(self, standard_errors: float = 0.0) -> list[Check]:
        """Return all requirements.

        Bias and resolution may miss their limits by this many standard errors, because in short
        runs the worst bins do so by chance.
        """
        return [
            *(self._efficiency(kind) for kind in MIN_AREA),
            *(self._bias(kind, standard_errors) for kind in MIN_AREA),
            *(self._resolution(kind, standard_errors) for kind in MIN_AREA),
            self._drift(),
            self._confusion(),
            self._borders(),
            self._conserved(),
        ]

    def _efficiency(self, kind: Signal) -> Check:
        matched, area = self.usual.matched, MIN_AREA[kind]
        n, n_found = len(matched.select(kind, area)), len(matched.found(kind, area))
        share = n_found / max(n, 1)
        return Check(
            f"{kind.name} efficiency above {area:g} PE",
            f"{share:.2%}",
            f"≥ {MIN_EFFICIENCY:.0%}",
            n > 0 and share >= MIN_EFFICIENCY,
            f"{n_found} of {n}, including pile-up",
        )

    def _judged(self, kind: Signal) -> tuple[AreaResponse, Array]:
        areas = self.areas[kind]
        judged = (areas.edges[:-1] >= MIN_AREA[kind]) & (areas.n >= MIN_IN_BIN)
        return areas, np.flatnonzero(judged)

    def _bias(self, kind: Signal, standard_errors: float) -> Check:
        areas, judged = self._judged(kind)
        excess = np.abs(areas.bias) - standard_errors * areas.bias_error
        worst = judged[np.argmax(excess[judged])] if len(judged) else 0
        return Check(
            f"{kind.name} area bias, worst bin",
            f"{areas.bias[worst]:+.2%}",
            f"within ±{MAX_BIAS:.0%}",
            len(judged) > 0 and bool(excess[worst] <= MAX_BIAS),
            f"at {_bin(areas, worst)}, ±{areas.bias_error[worst]:.2%}; "
            f"{areas.unrecorded[worst]:.2%} of their light has no samples; "
            f"{self._saturated(kind):.2%} of all {kind.name}s of up to {areas.edges[-1]:g} PE "
            "have saturated samples",
        )

    def _saturated(self, kind: Signal) -> float:
        """Return the saturated share of the found signals in the range of areas."""
        matched = self.usual.matched
        found = matched.found(kind, MIN_AREA[kind])
        found = found[matched.signals["expected_area"][found] <= AREA_EDGES[kind][-1]]
        peaks = matched.peaks[matched.peak[found]]
        return float(np.mean(peaks["n_saturated_channels"] > 0)) if len(peaks) else 0.0

    def _resolution(self, kind: Signal, standard_errors: float) -> Check:
        areas, judged = self._judged(kind)
        excess = areas.ratio - standard_errors * areas.ratio_error
        worst = judged[np.argmax(excess[judged])] if len(judged) else 0
        return Check(
            f"{kind.name} area resolution over photon statistics, worst bin",
            f"{areas.ratio[worst]:.3f}",
            f"≤ {MAX_RESOLUTION:.2f}",
            len(judged) > 0 and bool(excess[worst] <= MAX_RESOLUTION),
            f"at {_bin(areas, worst)}, ±{areas.ratio_error[worst]:.3f}: "
            f"{areas.resolution[worst]:.2%}, photon statistics alone {areas.allowed[worst]:.2%}",
        )

    def _drift(self) -> Check:
        light, interaction = (
            _rms(values) for values in (self.drift.of_light, self.drift.of_interaction)
        )
        return Check(
            "event drift time residual, rms",
            f"{light:.0f} ns",
            f"≤ {MAX_DRIFT_RESIDUAL:.0f} ns",
            len(self.drift.of_light) > 0 and light <= MAX_DRIFT_RESIDUAL,
            f"{len(self.drift.of_light)} events, relative to the centers of the light; relative to "
            f"the depth of the interaction {interaction:.0f} ns, with "
            f"{_rms(self.drift.of_interaction - self.drift.of_light):.0f} ns from diffusion and "
            f"photon statistics; {self.events.is_right.mean():.1%} of all pairs found are main S1 "
            "and S2 of an event",
        )

    def _confusion(self) -> Check:
        s1, s2 = self.confusion[0], self.confusion[1]
        n = max(int(s1.sum() + s2.sum()), 1)
        share = (s1[2] + s2[1]) / n
        return Check(
            "S1/S2 confusion",
            f"{share:.2%}",
            f"≤ {MAX_CONFUSION:.0%}",
            n > 1 and bool(share <= MAX_CONFUSION),
            f"of {n}; {(s1[0] + s2[0]) / n:.2%} are of unknown type",
        )

    def _borders(self) -> Check:
        lost, doubled = (
            len(np.intersect1d(self.on_borders, found))
            for found in (self.miscount[1].lost, self.miscount[1].doubled)
        )
        n_borders = len(borders(self.borders.settings))
        usual = self.miscount[0]
        return Check(
            "S2s across chunk boundaries lost or doubled",
            f"{lost + doubled}",
            "0",
            len(self.on_borders) > 0 and lost + doubled == 0 and not self.miscount[1].overlapping,
            f"of {len(self.on_borders)} at {n_borders} borders; in the usual run {len(usual.lost)} "
            f"S1s and S2s are lost and {len(usual.doubled)} doubled, {usual.invented} peaks have "
            "no signal",
        )

    def _conserved(self) -> Check:
        change = max(
            (one.peaks_area / one.records_area - 1 for one in (self.usual, self.borders)), key=abs
        )
        return Check(
            "area from records to peaks",
            f"{change:+.5%}",
            f"within ±{MAX_AREA_CHANGE:.1%}",
            abs(change) <= MAX_AREA_CHANGE,
            "of all peaks of a run",
        )


def borders(settings: SimulatedRun) -> Array:
    """Return where main parts and overlaps begin, except the first, ns since the run's start."""
    begins = np.arange(0, settings.duration_ns, settings.period_ns)
    both = np.sort(np.concatenate([begins, begins + settings.chunk_ns]))[1:]
    return both[both < settings.duration_ns]


def is_across_border(settings: SimulatedRun, signals: Array) -> Array:
    """Return which signals cross a border of chunks."""
    where = borders(settings)
    before, after = (np.searchsorted(where, signals[name]) for name in ("time", "endtime"))
    across: Array = before < after
    return across


def _bin(areas: AreaResponse, number: int) -> str:
    return f"{areas.edges[number]:g} to {areas.edges[number + 1]:g} PE ({areas.n[number]} signals)"


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")
