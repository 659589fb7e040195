"""Compares gains that are fitted to simulated LED spectra with the true ones.

``python -m xamsflow.simulate.physics.led_gains`` prints a table (10 minutes).
"""

import argparse
from dataclasses import dataclass

import numpy as np

from xamsflow.analysis.gains import spectrum
from xamsflow.simulate.led_light import LedLight

OCCUPANCIES = (0.05, 0.2, 0.5, 1.0, 2.0)
CHARGE = 133.0
"""Mean charge of a photoelectron, ADC counts x samples: a gain of 0.0075."""

NOISE = 14.0
"""Noise in a window of 30 samples, in the same unit: 2 ADC counts rms, baseline from 50 samples."""

SHARED = 0.6
"""Share of the noise that both windows have in common, from the baseline."""


@dataclass(frozen=True)
class Accuracy:
    """How the fitted charges compare with the truth, all relative to the true charge.

    `bias` is the mean deviation, weighted by the errors, and `bias_error` its statistical error;
    `error` is the median error of a fit, `within` the share of fits within one error.
    """

    occupancy: float
    bias: float
    bias_error: float
    error: float
    within: float


def accuracy(occupancy: float, n_spectra: int, n_triggers: int, seed: int = 0) -> Accuracy:
    """Fit spectra with this mean number of photoelectrons per trigger."""
    rng = np.random.default_rng([seed, round(1000 * occupancy)])
    light = LedLight(occupancy=occupancy)
    deviations, errors = np.zeros(n_spectra), np.zeros(n_spectra)
    for index in range(n_spectra):
        charge, flash = light.photoelectrons(np.arange(n_triggers), rng)
        shared = SHARED * NOISE * rng.standard_normal(n_triggers)
        lit, blank = (
            shared + (1 - SHARED**2) ** 0.5 * NOISE * rng.standard_normal(n_triggers)
            for _ in range(2)
        )
        lit += CHARGE * np.bincount(flash, charge, n_triggers)
        found = spectrum.fit(lit, blank)
        deviations[index] = found.charge / CHARGE - 1
        errors[index] = found.charge_error / CHARGE
    weights = errors**-2
    return Accuracy(
        occupancy,
        bias=float(np.average(deviations, weights=weights)),
        bias_error=float(weights.sum() ** -0.5),
        error=float(np.median(errors)),
        within=float(np.mean(np.abs(deviations) < errors)),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=200)
    parser.add_argument("--triggers", type=int, default=20_000)
    options = parser.parse_args()
    print("| PE per trigger | bias | error of a fit | within one error |")
    print("|---|---|---|---|")
    for each in OCCUPANCIES:
        found = accuracy(each, options.spectra, options.triggers)
        print(
            f"| {each:g} | {found.bias:+.2%} ± {found.bias_error:.2%} | {found.error:.1%} "
            f"| {found.within:.0%} |",
            flush=True,
        )
