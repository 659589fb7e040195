from dataclasses import replace

import numpy as np
import pytest

from xamsflow.settings import detector
from xamsflow.simulate import Physics, Signal, SimulatedRun
from xamsflow.simulate.sensors import Role, sensors
from xamsflow.simulate.signals import SignalSource

XAMS = detector.load("xams")
RUN = 6800
SECOND = 10**9
ONE_SIZE = Physics(
    event_rate=2000,
    s1_area=(50, 50),
    s2_area=(1000, 1000),
    afterpulse_probability=0,
    dark_rate=0,
    sipm_dark_rate=0,
    single_electrons_per_s2=0,
    single_electron_rate=0,
    external_fraction=0,
)


def block(physics, end=SECOND, latest=10 * SECOND):
    run = SimulatedRun(RUN, XAMS, seed=1, physics=physics)
    return SignalSource(run, physics, sensors(XAMS, RUN, physics)).block(0, 0, end, latest)


def only(rows, kind):
    return rows[rows["type"] == kind]


@pytest.fixture(scope="module")
def one_size():
    return block(ONE_SIZE)


@pytest.mark.parametrize("kind", [Signal.S1, Signal.S2])
def test_areas_fluctuate_as_photons_and_their_charges_do(one_size, kind):
    rows = only(one_size[0], kind)
    photons = rows["n_photoelectrons"] - rows["expected_area"]
    assert len(rows) == pytest.approx(2000, abs=150)
    assert photons.mean() == pytest.approx(0, abs=4 * photons.std() / len(rows) ** 0.5)
    assert photons.var() == pytest.approx(rows["expected_area"].mean(), rel=0.15)
    area = rows["area"] - rows["expected_area"]
    variance = rows["expected_area"].mean() * (1 + 0.35**2)
    assert area.var() == pytest.approx(variance, rel=0.15)


def test_s2_comes_after_the_drift_and_loses_electrons_on_its_way(one_size):
    s1, s2 = (only(one_size[0], kind) for kind in (Signal.S1, Signal.S2))
    assert (s1["event"][np.argsort(s1["event"])] == np.sort(s2["event"])).all()
    s1, s2 = (one[np.argsort(one["event"])] for one in (s1, s2))
    assert (s1["drift_time"] == s2["drift_time"]).all()
    assert s2["drift_time"] == pytest.approx(-s2["z"] / 1.04e-3)
    assert (s2["z"] >= -52.0).all()
    assert (s2["z"] <= -5.2).all()
    measured = s2["center_time"] - s1["center_time"] - s2["drift_time"]
    # The S1's own mean delay is about 20 ns.
    assert np.median(measured) == pytest.approx(-20, abs=10)
    late = s2["drift_time"] > np.median(s2["drift_time"])
    expected = np.exp(-s2["drift_time"] / 250_000)
    ratio = s2["n_electrons"][late].mean() / s2["n_electrons"][~late].mean()
    assert ratio == pytest.approx(expected[late].mean() / expected[~late].mean(), rel=0.02)


def test_shapes_are_those_asked_for(one_size):
    rows, photoelectrons = one_size
    since = photoelectrons.time - rows["center_time"][photoelectrons.signal]
    of_s1 = rows["type"][photoelectrons.signal] == Signal.S1
    # Singlet and triplet: 0.3 x 3 ns + 0.7 x 26 ns on average, with a long tail.
    assert since[of_s1].std() == pytest.approx(25.0, rel=0.1)
    diffusion = (2 * 2.5e-6 * rows["drift_time"].mean()) ** 0.5 / 1.04e-3
    assert since[~of_s1].std() == pytest.approx((1000**2 + diffusion**2) ** 0.5, rel=0.03)


def test_what_is_deep_is_seen_from_below_and_s2s_more_from_above(one_size):
    rows = one_size[0]
    below = rows["area_per_channel"][:, 0] / rows["area"]
    s1 = rows["type"] == Signal.S1
    deep = rows["z"] < -40
    assert below[s1 & deep].mean() > below[s1 & ~deep].mean() + 0.1
    assert below[~s1].mean() == pytest.approx(0.4, abs=0.01)


def test_sums_of_each_signal_are_those_of_its_photoelectrons(one_size):
    rows, photoelectrons = one_size
    for number in (0, 7, len(rows) - 1):
        mine = photoelectrons[photoelectrons.signal == number]
        row = rows[number]
        per_channel = np.bincount(mine.input, mine.charge, 7)
        assert row["area_per_channel"] == pytest.approx(per_channel, rel=1e-5)
        assert row["area"] == pytest.approx(per_channel[:5].sum(), rel=1e-5)
        assert row["n_photoelectrons"] == (mine.input < 5).sum()
        assert row["time"] == np.floor(mine.time.min())
        assert row["endtime"] == np.ceil(mine.time.max())


def test_rows_are_in_order_of_time_and_photoelectrons_know_theirs():
    rows, photoelectrons = block(Physics())
    assert (np.diff(rows["time"]) >= 0).all()
    assert set(photoelectrons.signal) == set(range(len(rows)))
    assert set(rows["type"]) >= set(Signal)
    assert (rows["area"] > 0).all()


def test_dark_counts_single_electrons_and_afterpulses_come_as_often_as_asked():
    physics = replace(
        Physics(), event_rate=0, dark_rate=300, sipm_dark_rate=0, single_electron_rate=400
    )
    rows, _ = block(physics)
    pmts = sum(s.role is not Role.SIPM for s in sensors(XAMS, RUN, physics))
    assert len(only(rows, Signal.DARK_COUNT)) == pytest.approx(300 * pmts, rel=0.15)
    singles = only(rows, Signal.SINGLE_ELECTRON)
    assert len(singles) == pytest.approx(400, rel=0.2)
    assert singles["area"].mean() == pytest.approx(20, rel=0.05)

    after, _ = block(replace(ONE_SIZE, afterpulse_probability=0.05, event_rate=100))
    afterpulses = only(after, Signal.AFTERPULSE)
    n_parents = after["area_per_channel"][:, :6].sum() - len(afterpulses)
    assert len(afterpulses) == pytest.approx(0.05 * n_parents, rel=0.1)
    assert set(afterpulses["event"]) <= set(only(after, Signal.S2)["event"])


def test_dead_channel_gives_nothing_and_the_others_as_before():
    alive, _ = block(ONE_SIZE)
    dead, photoelectrons = block(replace(ONE_SIZE, dead_channels=(0,)))
    assert not (photoelectrons.input == 0).any()
    assert not dead["area_per_channel"][:, 0].any()
    dead, alive = (one[np.lexsort((one["event"], one["type"]))] for one in (dead, alive))
    assert (dead["area_per_channel"][:, 1:] == alive["area_per_channel"][:, 1:]).all()


def test_signals_that_would_end_after_the_last_data_are_left_out():
    rows, photoelectrons = block(ONE_SIZE, end=10**7, latest=8 * 10**6)
    assert rows["endtime"].max() < 8 * 10**6
    assert photoelectrons.time.max() < 8 * 10**6


def test_s2s_are_laid_across_every_border_but_the_first():
    physics = replace(ONE_SIZE, event_rate=0)
    run = SimulatedRun(
        RUN,
        XAMS,
        physics=physics,
        border_pulses=True,
        duration=0.2,
        chunk_length=0.012,
        chunk_overlap=0.003,
    )
    source = SignalSource(run, physics, sensors(XAMS, RUN, physics))
    blocks = [
        source.block(number, begin, begin + 10**7, 2 * 10**8)[0]
        for number, begin in enumerate(range(0, 2 * 10**8, 10**7))
    ]
    s2 = only(np.concatenate(blocks), Signal.S2)
    borders = [k * 15_000_000 + of for k in range(14) for of in (0, 12_000_000)][1:-1]
    assert len(s2) == len(borders)
    offsets = (s2["center_time"] - borders) / 1000
    assert np.abs(offsets).max() < 3.3
    assert set(np.rint(offsets)) == {-3, -2, -1, 0, 1, 2, 3}
    across = (s2["time"] < borders) & (borders < s2["endtime"])
    assert across.mean() > 0.8
