"""The quality of a reconstruction in numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.simulate.physics.matching import NONE, Matched, MatchedEvents
from xamsflow.simulate.signals import Signal

Array = NDArray[Any]


@dataclass(frozen=True)
class Efficiency:
    """The numbers of signals and of found signals, between `edges` of true area (PE)."""

    edges: Array
    n: Array
    n_found: Array

    @property
    def share(self) -> Array:
        """The share of signals found; NaN if there are no signals."""
        nowhere = np.full(len(self.n), np.nan)
        share: Array = np.divide(self.n_found, self.n, out=nowhere, where=self.n > 0)
        return share

    def interval(self) -> tuple[Array, Array]:
        """Return the 68 % Wilson interval of the share, which is also sensible at 0 and 1."""
        n = np.maximum(self.n, 1)
        share = np.nan_to_num(self.share)
        middle = (share + 0.5 / n) / (1 + 1 / n)
        half = np.sqrt(share * (1 - share) / n + 0.25 / n**2) / (1 + 1 / n)
        return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def efficiency(matched: Matched, kind: Signal, edges: Array) -> Efficiency:
    """Return the efficiency of finding signals, by true area."""
    areas = matched.signals["area"]
    n, _ = np.histogram(areas[matched.select(kind)], edges)
    n_found, _ = np.histogram(areas[matched.found(kind)], edges)
    return Efficiency(edges, n, n_found)


@dataclass(frozen=True)
class AreaResponse:
    """Reconstructed areas compared with true ones, between `edges` of expected area (PE).

    `bias` is the relative difference of the means and `bias_error` its standard error.
    `resolution` is the relative spread of reconstructed areas around the expected ones, and
    `allowed` that of the true areas of the same signals, the limit from photon statistics.
    `ratio_error` is the standard error of their ratio; it is small because the signals are the
    same. `unrecorded` is the share of true area for which digitizers gave no samples.
    """

    edges: Array
    n: Array
    bias: Array
    bias_error: Array
    resolution: Array
    allowed: Array
    ratio_error: Array
    unrecorded: Array

    @property
    def ratio(self) -> Array:
        """Return the resolution in units of the limit from photon statistics."""
        ratio: Array = self.resolution / self.allowed
        return ratio


def area_response(matched: Matched, kind: Signal, edges: Array) -> AreaResponse:
    """Return the bias and resolution of the found signals that are alone."""
    chosen = matched.found(kind, alone=True)
    signals = matched.signals[chosen]
    area = matched.peaks["area"][matched.peak[chosen]].astype(float)
    true, expected = signals["area"].astype(float), signals["expected_area"].astype(float)
    place = np.digitize(expected, edges) - 1
    columns = {
        name: np.full(len(edges) - 1, np.nan)
        for name in ("bias", "bias_error", "resolution", "allowed", "ratio_error", "unrecorded")
    }
    n = np.array([(place == number).sum() for number in range(len(edges) - 1)], dtype=np.int64)
    for number in np.flatnonzero(n >= 2):
        here = place == number
        difference, mean = (area - true)[here], true[here].mean()
        recorded = signals["recorded_area"][here].mean(dtype=float)
        allowed = np.std((true / expected)[here])
        spread = np.std(difference / expected[here])
        columns["bias"][number] = difference.mean() / mean
        columns["bias_error"][number] = difference.std() / n[number] ** 0.5 / mean
        columns["resolution"][number] = np.std((area / expected)[here])
        columns["allowed"][number] = allowed
        columns["ratio_error"][number] = spread / allowed / n[number] ** 0.5
        columns["unrecorded"][number] = 1 - recorded / mean
    return AreaResponse(edges, n, **columns)


def time_residuals(matched: Matched, kind: Signal, min_area: float) -> Array:
    """Return how much later, in ns, peak centers are than those of signals that are alone."""
    chosen = matched.found(kind, min_area, alone=True)
    center = matched.peaks["center_time"][matched.peak[chosen]]
    residuals: Array = center - matched.signals["center_time"][chosen]
    return residuals


@dataclass(frozen=True)
class DriftResiduals:
    """Reconstructed minus true drift time of events with the right S1 and S2, ns.

    `of_light` compares with the actual centers of the S1 and S2 light, which is the best that
    reconstruction can achieve; `of_interaction` with the drift time from the depth of the
    interaction, from which the few electrons and photons deviate statistically.
    """

    of_light: Array
    of_interaction: Array


def drift_residuals(matched: Matched, found: MatchedEvents, events: Array) -> DriftResiduals:
    """Return the residuals, leaving out interactions with other signals nearby."""
    alone = matched.is_alone[found.s1] & matched.is_alone[found.s2] & found.is_right
    s1, s2 = matched.signals[found.s1[alone]], matched.signals[found.s2[alone]]
    drift_time = events["drift_time"][found.event[alone]].astype(float)
    light = s2["center_time"] - s1["center_time"]
    return DriftResiduals(drift_time - light, drift_time - s2["drift_time"])


KINDS = (Signal.S1, Signal.S2, Signal.SINGLE_ELECTRON)
"""The rows of the confusion matrix; its columns are strax's types 0 (unknown), 1 and 2."""


def confusion(matched: Matched, min_area: dict[Signal, float]) -> Array:
    """Return the number of found signals of each kind by the type of their peaks."""
    matrix = np.zeros((len(KINDS), 3), dtype=np.int64)
    for row, kind in enumerate(KINDS):
        chosen = matched.found(kind, min_area.get(kind, 0.0))
        types = matched.peaks["type"][matched.peak[chosen]]
        matrix[row] = [(types == number).sum() for number in range(3)]
    return matrix


@dataclass(frozen=True)
class Miscount:
    """Signals without a peak or with several ones, and peaks without a signal.

    Lost signals have no peak of about their size, doubled ones have more than one relevant peak;
    both are indices of signals. `overlapping` is the number of peaks that begin before the end of
    the previous one, `invented` the number of peaks without a signal.
    """

    lost: Array
    doubled: Array
    overlapping: int
    invented: int


def miscount(matched: Matched, min_area: dict[Signal, float]) -> Miscount:
    """Return the lost and doubled signals of the kinds, and above the areas (PE), in `min_area`."""
    lost, doubled = [], []
    for kind, area in min_area.items():
        chosen = matched.select(kind, area, alone=True)
        lost.append(chosen[~matched.is_found[chosen]])
        doubled.append(chosen[matched.n_peaks[chosen] > 1])
    peaks = matched.peaks
    return Miscount(
        lost=np.sort(np.concatenate(lost)),
        doubled=np.sort(np.concatenate(doubled)),
        overlapping=int((peaks["time"][1:] < peaks["endtime"][:-1]).sum()),
        invented=int((matched.signal == NONE).sum()),
    )
