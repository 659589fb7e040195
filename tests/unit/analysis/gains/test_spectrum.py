import numpy as np
import pytest

from led_charges import charges
from xamsflow.analysis.gains import spectrum


@pytest.mark.parametrize("occupancy", [0.05, 0.3, 1, 2])
@pytest.mark.parametrize(("under", "gamma"), [(0.1, False), (0, True)])
def test_the_gain_of_a_generated_run(occupancy, under, gamma):
    rng = np.random.default_rng(1)
    light, blank, truth = charges(rng, 40_000, occupancy, under=under, gamma=gamma)
    found = spectrum.fit(light, blank)
    assert found.charge == pytest.approx(truth, abs=3 * found.charge_error)
    assert found.charge_error < 0.03 * truth
    assert found.occupancy == pytest.approx(occupancy, abs=3 * found.occupancy_error)
    assert found.p_value > 1e-3
    assert found.expected.sum() == pytest.approx(len(light), rel=1e-3)


def test_charges_without_light_determine_nothing():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="do not determine"):
        spectrum.fit(rng.normal(0, 14, 5000), rng.normal(0, 14, 5000))


def test_light_that_is_not_poisson_distributed_fits_badly():
    rng = np.random.default_rng(3)
    light, blank, _ = charges(rng, 20_000, 1.0)
    light[::2] = blank[::-2]
    assert spectrum.fit(light, blank).p_value < 1e-6
