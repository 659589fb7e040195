from dataclasses import replace

import numpy as np
import pytest
import yaml

from redax_checks import check_format
from redax_folder import RedaxFolder
from xamsflow.base.errors import BadDataError
from xamsflow.settings import detector
from xamsflow.simulate import (
    LiveRun,
    Physics,
    Signal,
    SimulatedRun,
    load_signals,
    simulate,
    truth,
    truth_path,
)
from xamsflow.simulate.boards import boards
from xamsflow.simulate.sensors import sensors
from xamsflow.state import layout

pytestmark = pytest.mark.xdist_group("physics_run")  # its tests share costly fixtures

RUN = SimulatedRun(
    6800,
    detector.load("xams"),
    duration=0.5,
    chunk_length=0.09,
    chunk_overlap=0.01,
    border_pulses=True,
    physics=Physics(event_rate=100, s2_area=(100, 4000)),
)


def both_digitizers():
    """Return a detector whose TPC is read out by V1724s, with V1730s beside."""
    path = layout.REPOSITORY / layout.DETECTORS / "xams_2021.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["tpc"]["channels"] = list(range(8))
    settings["signals"] = {
        "other": {key: settings["tpc"][key] for key in ("pulses", "peaks")}
        | {"channels": [8, 9], "gains": [0.0075, 0.0075]}
    }
    return detector.parse("both", settings, "a test")


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    parent = tmp_path_factory.mktemp("live")
    simulate(RUN, parent)
    return parent


@pytest.fixture(scope="module")
def records():
    return truth(RUN)


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("border_pulses", [False, True])
def test_runs_have_redax_format(tmp_path, readers, threads, border_pulses):
    run = SimulatedRun(
        932,
        both_digitizers(),
        duration=0.12,
        chunk_length=0.017,
        chunk_overlap=0.003,
        readers=readers,
        threads=threads,
        border_pulses=border_pulses,
        physics=Physics(event_rate=300, s2_area=(100, 3000)),
    )
    simulate(run, tmp_path)
    folder = RedaxFolder(tmp_path / run.run_id, run.compressor, run.fragment_payload)
    check_format(folder, run)
    assert set(np.unique(folder.unique_records()["channel"])) == set(range(16))
    assert len(folder.threads) == readers * threads


def test_all_charge_of_the_truth_is_in_the_records(taken, records):
    signals = load_signals(truth_path(taken, RUN.number))
    gains = np.array([sensor.gain for sensor in sensors(RUN.detector, RUN.number, Physics())])
    sign = np.array([-1, -1, -1, -1, -1, -1, 1, 1])
    first = records["record_i"] == 0
    baseline = records["data"][:, :40].mean(axis=1)
    for channel in range(8):
        mine = records["channel"] == channel
        n_samples = records["length"][mine].sum()
        base = np.median(baseline[mine & first])
        counts = records["data"][mine].sum(dtype=np.int64) - base * n_samples
        found = sign[channel] * counts * gains[channel]
        expected = signals["area_per_channel"][:, channel].sum()
        # The SiPM's small dark counts and the external PMT's late photons, whose gain is low, are
        # not recorded; the baseline is known to half a count per sample.
        known_to = 0.5 * n_samples * gains[channel]
        assert found == pytest.approx(expected, rel=0.02 if channel < 5 else 0.1, abs=known_to)
    large = signals[(signals["type"] == Signal.S2) & (signals["area"] > 500)]
    assert large["recorded_area"] == pytest.approx(large["area"], rel=0.01)


def test_s2s_lie_across_chunk_borders_also_in_the_records(records):
    crossing = 0
    for begin in range(0, RUN.duration_ns, RUN.period_ns):
        for border in (begin, begin + RUN.chunk_ns):
            start = records["time"] - records["record_i"].astype(int) * 220
            end = start + 2 * records["pulse_length"].astype(int)
            crossing += ((start < border) & (border < end)).any()
    assert crossing >= 7  # of 9 borders after the first; offsets differ


def test_pulses_of_a_channel_do_not_overlap(records):
    for channel in range(8):
        mine = records[(records["channel"] == channel)]
        end = mine["time"] + mine["length"].astype(int) * mine["dt"]
        assert (mine["time"][1:] >= end[:-1]).all()
        assert (end <= RUN.duration_ns).all()


def test_same_settings_give_the_same_bytes(tmp_path, taken):
    simulate(RUN, tmp_path / "again")
    simulate(replace(RUN, seed=1), tmp_path / "other")
    assert content(tmp_path / "again") == content(taken)
    truths = [
        (tmp_path / parent / "truth_006800.npz").read_bytes() for parent in ("again", "other")
    ]
    assert truths[0] != truths[1]


def test_live_run_leaves_the_same(tmp_path, taken):
    for _ in LiveRun(RUN, tmp_path):
        pass
    assert content(tmp_path) == content(taken)


def test_truth_does_not_depend_on_who_reads_out(tmp_path):
    run = replace(RUN, detector=both_digitizers(), duration=0.2)
    simulate(run, tmp_path / "one")
    simulate(replace(run, readers=2, threads=2), tmp_path / "several")
    one, several = (load_signals(truth_path(tmp_path / n, run.number)) for n in ("one", "several"))
    assert one.tobytes() == several.tobytes()
    assert len(boards(run)) == 2


def test_saturated_pulses_are_cut(tmp_path):
    run = replace(RUN, physics=Physics(event_rate=50, s1_area=(1e5, 1e5)), duration=0.1)
    records = truth(run)
    is_pmt = records["channel"] < 6
    assert records["data"][is_pmt & (records["length"] == 110)].min() == 0
    assert records["data"][~is_pmt].max() == 2**14 - 1


def test_run_without_any_light_is_empty(tmp_path):
    nothing = Physics(event_rate=0, single_electron_rate=0, dark_rate=0, sipm_dark_rate=0)
    run = replace(RUN, physics=nothing, border_pulses=False)
    simulate(run, tmp_path)
    assert list((tmp_path / run.run_id).iterdir()) == []
    assert len(load_signals(truth_path(tmp_path, run.number))) == 0


@pytest.mark.parametrize("duration", [1e-6, 1e-3, 0.0055])
def test_run_shorter_than_the_first_event(tmp_path, duration):
    simulate(replace(RUN, duration=duration), tmp_path)
    assert len(load_signals(truth_path(tmp_path, RUN.number))) < 10


def test_simple_runs_have_no_truth_file(tmp_path):
    simulate(replace(RUN, physics=None), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [RUN.run_id]


@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_damaged_truth_is_named(tmp_path, taken, damage):
    path = tmp_path / "truth_006800.npz"
    raw = truth_path(taken, RUN.number).read_bytes()
    if damage != "missing":
        path.write_bytes(raw[: len(raw) // 2] if damage == "cut" else b"")
    with pytest.raises(BadDataError, match=r"cannot read the truth in .*truth_006800.npz"):
        load_signals(path)


DARK = replace(RUN, duration=0.2, physics=Physics(event_rate=0, dark_rate=2000, gain_spread=0.1))
"""A short run with dark counts only, whose channels have their own gains."""


def of_channel(run, channel=2):
    """The baseline, the mean height of pulses and their number."""
    records = truth(run)
    mine = records[(records["channel"] == channel) & (records["record_i"] == 0)]
    height = np.median(mine["data"][:, :30]) - mine["data"].min(axis=1)
    return np.median(mine["data"][:, :30]), height.mean(), len(mine)


def test_the_electronics_of_another_run():
    later = replace(DARK, number=6803)
    assert of_channel(later)[0] != of_channel(DARK)[0]
    same = of_channel(replace(later, electronics_of=DARK.number))
    assert same == pytest.approx(of_channel(DARK), rel=0.1)
    assert same[0] == of_channel(DARK)[0]


def test_electronics_that_have_changed():
    baseline, height, n = of_channel(DARK)
    assert of_channel(replace(DARK, baseline_steps=((2, 10.0),)))[0] == baseline + 10
    assert of_channel(replace(DARK, gain_factors=((2, 2.0),)))[1] > 1.5 * height
    assert of_channel(replace(DARK, threshold=60))[2] < 0.7 * n


def test_swapped_cables():
    swapped = replace(DARK, physics=replace(DARK.physics, swapped_channels=(1, 2)))
    one, two = (sensors(DARK.detector, DARK.number, DARK.physics)[index].gain for index in (1, 2))
    # The PMT of channel 1, with a smaller gain in PE per count, gives larger pulses.
    assert one < two
    assert of_channel(swapped)[1] > of_channel(DARK)[1]
