from dataclasses import replace

import numpy as np
import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import detector
from xamsflow.settings.corrections import ByRun, Entry
from xamsflow.simulate import Physics
from xamsflow.simulate.sensors import Role, light_shares, sensors

XAMS = detector.load("xams")


def test_roles_and_gains_are_those_of_the_detector_file():
    found = sensors(XAMS, 6800, Physics())
    assert [sensor.channel for sensor in found] == list(range(8))
    roles = [Role.BOTTOM, *[Role.TOP] * 4, Role.EXTERNAL, Role.SIPM, Role.SIPM]
    assert [sensor.role for sensor in found] == roles
    gains = [0.00773395, 0.00601685, 0.00698324, 0.00651466, 0.00635728, 0.0178]
    assert [sensor.gain for sensor in found][:6] == gains


def test_channels_that_the_detector_file_says_nothing_of_see_no_light():
    found = sensors(detector.load("xams_2021"), 932, Physics())
    assert [sensor.role for sensor in found] == [Role.UNUSED] * 8 + [Role.TOP] * 8


def test_run_without_gains_is_named():
    signals = replace(XAMS.tpc.signals, gains=ByRun("some_gains", (Entry(1, 9, [1] * 5),)))
    one = replace(XAMS, tpc=replace(XAMS.tpc, signals=signals))
    with pytest.raises(ConfigurationError, match=r"run 000932: .*some_gains.json has no value"):
        sensors(one, 932, Physics())


def test_light_shares_of_the_tpcs_pmts_add_up_and_are_largest_nearby():
    all_sensors = sensors(XAMS, 6800, Physics())
    x, y = np.array([[s.x, s.y] for s in all_sensors]).T
    tops = [i for i, s in enumerate(all_sensors) if s.role is Role.TOP]
    shares = light_shares(all_sensors, Physics(), x[tops], y[tops], np.zeros(len(tops)))
    tpc = np.array([s.is_tpc_pmt for s in all_sensors])
    assert shares[:, tpc].sum(axis=1) == pytest.approx(1)
    assert (shares[:, tops].argmax(axis=1) == np.arange(len(tops))).all()
    assert not shares[:, 5].any()


@pytest.mark.parametrize("name", ["xamsl", "xams_2021"])
def test_all_light_is_seen_without_separate_arrays(name):
    all_sensors = sensors(detector.load(name), 932, Physics())
    shares = light_shares(all_sensors, Physics(), *np.zeros((3, 1)))
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_published_polynomials_follow_the_light(axis):
    all_sensors = sensors(XAMS, 6800, Physics())
    where = np.zeros((2, 9))
    where[axis] = np.linspace(-15, 15, 9)
    shares = light_shares(all_sensors, Physics(), *where, np.zeros(9))
    top = shares[:, list(XAMS.tpc.signals.top)]
    found = []
    for pair, polynomial in zip(
        ((0, 1), (0, 2)), XAMS.tpc.position_polynomials.entry(6800).value, strict=True
    ):
        found.append(np.polyval(polynomial, top[:, pair].sum(axis=1) / top.sum(axis=1)))
    assert (np.diff(found[axis]) > 0).all()
    assert found[1 - axis] == pytest.approx(np.zeros(9), abs=1)
