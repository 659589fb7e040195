"""The model of the charge in a fixed window after the LED's trigger, and its fit.

The number of photoelectrons in the window is Poisson-distributed. Most photoelectrons have a charge
that follows a Gaussian or a gamma distribution, as far as the data tell. The others are
under-amplified: they miss the first dynode, and have a gamma distribution whose mean is a fixed
fraction of the mean of fully amplified ones. The pedestal is Gaussian; it is the same in an equally
long window without light, which is fitted at the same time and tells how often there was no light.

The spectra are computed from characteristic functions, which includes any number of photoelectrons.
For the fraction without light as a measure of the occupancy, see Saldanha et al., Nucl. Instrum.
Meth. A 863 (2017) 35.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

Array = npt.NDArray[Any]

UNDER_AMPLIFIED_MEAN = 0.25
"""Mean charge of under-amplified photoelectrons, relative to fully amplified ones: 1 / gain of the
first dynode, which is 3 to 5 in usual photomultipliers."""

UNDER_AMPLIFIED_SHAPE = 4.0
"""The gamma distribution's shape parameter: a relative spread of 50 %."""

BIN_WIDTH = 0.5
"""In standard deviations of the pedestal."""

FAR = 4
"""Standard deviations from the pedestal that noise hardly ever reaches."""

MARGIN = 6
"""Standard deviations of the pedestal beyond the data, so that spectra do not wrap around."""

FEWEST_EXPECTED = 5.0
"""Counts per bin for which Pearson's chi-square is meaningful."""

MOST_BINS = 2**15

STEP = 1e-4
"""Of numerical derivatives; all parameters are scaled to about 1."""


class Shape(Enum):
    """The distribution of the charge of fully amplified photoelectrons."""

    GAUSSIAN = "Gaussian"
    GAMMA = "gamma"


@dataclass(frozen=True)
class Spectrum:
    """Histograms of charge in the LED's window and in the window without light.

    `edges` has one value more than the counts, in ADC counts x samples.
    """

    edges: Array
    light: Array
    blank: Array


@dataclass(frozen=True)
class Fit:
    """The fitted model of one channel. Charges are in ADC counts x samples.

    `charge` is the mean charge of a photoelectron, under-amplified ones included, and
    `charge_error` one standard deviation; both are averages over the shapes. All others are of the
    `shape` that fits better. `full` and `spread` are the mean and the standard
    deviation of fully amplified photoelectrons. `under_amplified` is their fraction; it may be
    slightly negative, as cutting it at 0 would bias the mean. `p_value` is the probability of a
    worse chi-square. `expected` are the counts in `spectrum` according to the model.
    """

    charge: float
    charge_error: float
    occupancy: float
    occupancy_error: float
    full: float
    spread: float
    under_amplified: float
    pedestal: float
    noise: float
    shape: Shape
    p_value: float
    spectrum: Spectrum
    expected: Array

    @property
    def gain(self) -> float:
        """In PE per ADC count and sample, the unit of the detector's gains."""
        return 1 / self.charge

    @property
    def gain_error(self) -> float:
        """One standard deviation of `gain`."""
        return self.charge_error / self.charge**2


def occupancy(light: Array, blank: Array) -> float:
    """Return an estimate of the photoelectrons per trigger, from the fraction without light.

    `light` and `blank` are charges with and without light. Charges below the pedestal's median are
    without light, except for a few under-amplified photoelectrons. Charges far above the pedestal
    are with light, which is more accurate if there is little.
    """
    pedestal = np.median(blank)
    without_light = min(
        np.mean(light < pedestal) / 0.5, 1 - np.mean(light > pedestal + FAR * np.std(blank))
    )
    return float(-np.log(np.clip(without_light, 1 / max(len(light), 1), 1)))


def fit(light: Array, blank: Array) -> Fit:
    """Return the fit of the charges in the LED's window and in an equally long one without light.

    Both arrays are in ADC counts x samples, with one value per trigger and more than one distinct
    value. The fit minimizes the Poisson deviance of both histograms. The errors follow from the
    Fisher information. Raises ValueError if the charges do not determine the parameters.
    """
    found = [one for shape in Shape if (one := _fit(light, blank, shape)) is not None]
    if not found:
        raise ValueError("the charges do not determine the parameters of the fit")
    return _averaged(found)


def _averaged(found: Sequence[tuple[float, Fit]]) -> Fit:
    """Return the fit with the lowest deviance, and the mean charge averaged over the shapes.

    The weights are those of Akaike; the error includes the difference between the shapes.
    """
    deviances = np.array([deviance for deviance, _ in found])
    weights = np.exp(-(deviances - deviances.min()) / 2)
    charges, errors = np.array([(one.charge, one.charge_error) for _, one in found]).T
    charge = np.average(charges, weights=weights)
    variance = np.average(errors**2 + (charges - charge) ** 2, weights=weights)
    best = found[int(np.argmin(deviances))][1]
    return replace(best, charge=float(charge), charge_error=float(variance**0.5))


def _fit(light: Array, blank: Array, shape: Shape) -> tuple[float, Fit] | None:
    """Return the deviance and the fit with a shape, None if it ends at a limit of a parameter."""
    pedestal, noise = float(np.median(blank)), float(np.std(blank))
    spectrum = _histograms(light, blank, noise)
    counts = np.concatenate([spectrum.light, spectrum.blank])
    photoelectrons = max(occupancy(light, blank), 1 / len(light))
    charge = max(float(np.mean(light) - pedestal) / photoelectrons, 2 * noise)
    # occupancy, full, spread, under-amplified fraction, pedestal, noise
    scale = np.array([photoelectrons, charge, charge, 1, noise, noise])
    start = np.array([1, 1, 0.35, 0.05, pedestal / noise, 1])
    lowest = [0.2, 0.3, 0.05, -0.2, start[4] - 1, 0.5]
    highest = [5, 3, 1.2, 0.6, start[4] + 1, 2]
    model = _model(spectrum, scale, shape)
    found = optimize.least_squares(
        lambda parameters: _deviance_residuals(counts, model(parameters)),
        start,
        bounds=(lowest, highest),
        x_scale=0.05,
    )
    expected = model(found.x)
    covariance = _covariance(model, found.x, expected)
    if not found.success or found.active_mask.any() or covariance is None:
        return None
    gradient = _gradient(lambda x: np.array([_mean_charge(x)]), found.x)[:, 0]
    error = charge * float(np.sqrt(gradient @ covariance @ gradient))
    best = found.x * scale
    fitted = Fit(
        charge=charge * _mean_charge(found.x),
        charge_error=error,
        occupancy=best[0],
        occupancy_error=scale[0] * float(np.sqrt(covariance[0, 0])),
        full=best[1],
        spread=best[2],
        under_amplified=best[3],
        pedestal=best[4],
        noise=best[5],
        shape=shape,
        p_value=_p_value(counts, expected, len(start)),
        spectrum=spectrum,
        expected=expected[: len(spectrum.light)],
    )
    return 2 * float(found.cost), fitted


def _histograms(light: Array, blank: Array, noise: float) -> Spectrum:
    width = BIN_WIDTH * noise
    lowest = min(light.min(), blank.min()) - MARGIN * noise
    highest = max(light.max(), blank.max()) + MARGIN * noise
    n_bins = 2 ** int(np.ceil(np.log2((highest - lowest) / width)))  # powers of 2 are fast
    if n_bins > MOST_BINS:
        raise ValueError("the charges are too far apart, compared with the noise")
    edges = lowest + width * np.arange(n_bins + 1)
    return Spectrum(edges, np.histogram(light, edges)[0], np.histogram(blank, edges)[0])


def _model(spectrum: Spectrum, scale: Array, shape: Shape) -> Callable[[Array], Array]:
    """Return the function from scaled parameters to expected counts, with light and without."""
    n_bins, width = len(spectrum.light), float(spectrum.edges[1] - spectrum.edges[0])
    frequency = 2 * np.pi * np.fft.rfftfreq(n_bins, width)
    of_bin = np.sinc(frequency * width / 2 / np.pi) * np.exp(
        -1j * frequency * (spectrum.edges[0] + width / 2)
    )
    n_light, n_blank = spectrum.light.sum(), spectrum.blank.sum()

    def counts(characteristic: Array, n: int) -> Array:
        probability = np.fft.irfft(np.conj(characteristic * of_bin), n_bins)
        expected: Array = n * np.maximum(probability, 1e-9 / n_bins)
        return expected

    def model(parameters: Array) -> Array:
        mean_number, full, spread, under, pedestal, noise = parameters * scale
        blank = np.exp(1j * frequency * pedestal - 0.5 * (frequency * noise) ** 2)
        one = _photoelectron(frequency, full, spread, under, shape)
        light = blank * np.exp(mean_number * (one - 1))
        return np.concatenate([counts(light, n_light), counts(blank, n_blank)])

    return model


def _photoelectron(
    frequency: Array, full: float, spread: float, under: float, shape: Shape
) -> Array:
    """Return the characteristic function of a photoelectron's charge."""
    if shape is Shape.GAUSSIAN:
        whole = np.exp(1j * frequency * full - 0.5 * (frequency * spread) ** 2)
    else:
        whole = _gamma(frequency, full, (full / spread) ** 2)
    partial = _gamma(frequency, UNDER_AMPLIFIED_MEAN * full, UNDER_AMPLIFIED_SHAPE)
    mixed: Array = (1 - under) * whole + under * partial
    return mixed


def _gamma(frequency: Array, mean: float, shape: float) -> Array:
    result: Array = np.exp(-shape * np.log1p(-1j * frequency * mean / shape))
    return result


def _mean_charge(parameters: Array) -> float:
    return float(parameters[1] * (1 - parameters[3] * (1 - UNDER_AMPLIFIED_MEAN)))


def _deviance_residuals(counts: Array, expected: Array) -> Array:
    """Return residuals whose squares add up to -2 ln(likelihood ratio) of Poisson counts."""
    squares = expected - counts + special.xlogy(counts, counts / expected)
    result: Array = np.sign(expected - counts) * np.sqrt(2 * np.maximum(squares, 0))
    return result


def _gradient(function: Callable[[Array], Array], at: Array) -> Array:
    steps = STEP * np.eye(len(at))
    return np.array([(function(at + one) - function(at - one)) / (2 * STEP) for one in steps])


def _covariance(model: Callable[[Array], Array], at: Array, expected: Array) -> Array | None:
    derivatives = _gradient(model, at)
    information = (derivatives / expected) @ derivatives.T
    if np.linalg.eigvalsh(information)[0] <= 0:
        return None
    inverse: Array = np.linalg.inv(information)
    return inverse


def _p_value(counts: Array, expected: Array, n_parameters: int) -> float:
    enough = expected >= FEWEST_EXPECTED
    chi_square = np.sum((counts[enough] - expected[enough]) ** 2 / expected[enough])
    return float(stats.chi2.sf(chi_square, max(int(enough.sum()) - n_parameters, 1)))
