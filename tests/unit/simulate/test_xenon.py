from dataclasses import replace

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import detector
from xamsflow.settings.corrections import ByRun, Entry
from xamsflow.simulate import Physics, SimulatedRun


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"event_rate": -1}, "event rate is -1, allowed: 0 to 10000"),
        ({"event_rate": float("nan")}, "event rate is nan"),
        ({"s1_area": (10, 5)}, "s1 area is .* the smaller first"),
        ({"s2_area": (0, 5)}, "s2 area is .* above 0"),
        ({"drift_velocity": 0}, "drift velocity is 0"),
        ({"pmt_pulse": (3, 2)}, "pmt pulse is .* longer fall time"),
        ({"gate_depth": 60}, "gate depth is 60, allowed: more than 0 and less"),
        ({"afterpulse_probability": 1}, "afterpulse probability is 1, allowed: 0 to 0.5"),
    ],
)
def test_impossible_values_are_named_with_what_is_allowed(wrong, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Physics(**wrong)
    assert "\n" not in str(caught.value)


def test_noise_that_would_cross_the_threshold_is_refused():
    xams = detector.load("xams")
    with pytest.raises(ConfigurationError, match="noise is 6, allowed: 0 to 5"):
        SimulatedRun(932, xams, noise=6, physics=Physics())
    SimulatedRun(932, xams, noise=6)


def test_drift_and_lifetime_are_those_of_the_detector_file():
    xams = detector.load("xams")
    physics = Physics.of(xams, 6800, event_rate=3)
    assert physics.drift_velocity == 0.00104
    assert physics.electron_lifetime == 220_000
    assert physics.event_rate == 3
    assert Physics.of(detector.load("xamsl"), 932).drift_velocity == 0.0016


def test_run_without_a_lifetime_is_named():
    xams = detector.load("xams")
    lifetime = ByRun("some_lifetime", (Entry(1, 9, 220_000),))
    one = replace(xams, tpc=replace(xams.tpc, electron_lifetime=lifetime))
    assert Physics.of(one, 9).electron_lifetime == 220_000
    with pytest.raises(ConfigurationError, match=r"run 000932: .*some_lifetime.json has no value"):
        Physics.of(one, 932)
