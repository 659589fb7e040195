from dataclasses import replace

import numpy as np
import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import corrections, detector
from xamsflow.simulate import LedLight, SimulatedRun, read_out


def test_all_channels_are_read_out_at_each_trigger_and_the_led_s_see_its_light():
    xams = detector.load("xams")
    light = LedLight.of(xams, occupancy=2.0, frequency=2000.0, dead_channels=(4,))
    settings = SimulatedRun(
        number=7500, detector=xams, duration=0.5, pulse_length=220, noise=1.0, led=light
    )
    records = read_out(settings)
    starts = records[records["record_i"] == 0]
    assert set(starts["channel"].tolist()) == {0, 1, 2, 3, 5, 6, 7}
    of_channel = starts["time"][starts["channel"] == 0]
    assert set(np.diff(of_channel).tolist()) == {500_000}
    for channel in (0, 3, 5):
        samples = starts["data"][starts["channel"] == channel].astype(float)
        charge = (samples[:, :50].mean(axis=1)[:, np.newaxis] - samples)[:, 80:].sum(axis=1).mean()
        gain = corrections.of_run(xams.tpc.signals.gains, 7500)[min(channel, 4)]
        expected = light.occupancy / gain if channel in xams.led.channels else 0
        assert charge == pytest.approx(expected, abs=0.1 * light.occupancy / gain)


def test_impossible_light():
    xams = detector.load("xams")
    with pytest.raises(ConfigurationError, match="simulated LED: occupancy is -1, allowed: 0 to"):
        LedLight(occupancy=-1)
    with pytest.raises(ConfigurationError, match="detector xams has no LED"):
        LedLight.of(replace(xams, led=None))
