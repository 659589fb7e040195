import pytest

from xamsflow.simulate.physics import led_gains


@pytest.mark.parametrize("occupancy", [0.2, 1.5])
def test_gains_are_not_biased_and_their_errors_are_honest(occupancy):
    found = led_gains.accuracy(occupancy, n_spectra=12, n_triggers=5000)
    assert abs(found.bias) < 3 * found.bias_error
    assert found.bias_error < 0.012
    assert 0.4 < found.within < 0.95
