"""Charges of generated LED runs, in ADC counts x samples."""

import numpy as np

SPREAD = 0.35
UNDER_AMPLIFIED = 0.1


def charges(rng, n, occupancy, *, full=133.0, under=UNDER_AMPLIFIED, gamma=False, noise=14.0):
    """Return charges with and without light, and the mean charge of a photoelectron.

    The noise of both windows has a common part, as they share a baseline.
    """
    number = rng.poisson(occupancy, n)
    total = int(number.sum())
    charge = (
        rng.gamma(SPREAD**-2, full * SPREAD**2, total)
        if gamma
        else full * (1 + SPREAD * rng.standard_normal(total))
    )
    is_under = rng.random(total) < under
    charge[is_under] = rng.gamma(4, full / 16, int(is_under.sum()))
    light = np.bincount(np.repeat(np.arange(n), number), charge, n)
    common = 0.6 * noise * rng.standard_normal(n)
    blank = common + 0.8 * noise * rng.standard_normal(n)
    light = light + common + 0.8 * noise * rng.standard_normal(n)
    return light, blank, full * (1 - 0.75 * under)
