from dataclasses import replace

import numpy as np
import pytest

from hand_made import xams
from led_charges import charges
from xamsflow.analysis.gains import led_run
from xamsflow.analysis.gains.led_run import Pulses
from xamsflow.analysis.gains.proposal import Wanted, propose
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings.corrections import ByRun, Entry, Provenance

pytestmark = pytest.mark.xdist_group("gains")  # its tests share costly fixtures

ONE_RUN = Wanted(run=7, runs=None, keep=(), date="2026-11-28")
IN_USE = [0.01, 0.02, 0.02, 0.02, 0.02]


def pulses(seed, occupancy=1.0, n=4000):
    light, blank, _ = charges(np.random.default_rng(seed), n, occupancy)
    waveform = np.zeros(220)
    waveform[85:95] = 5.0 * occupancy
    return Pulses(light, blank, 0, 0, waveform, waveform_error=0.03)


@pytest.fixture(scope="module")
def measured():
    return {channel: pulses(channel) for channel in range(5)}


def proposed(found, wanted=ONE_RUN, gains=None):
    """Return the proposal for the TPC, whose gains are in a file unless given."""
    one = xams()
    in_file = ByRun("gains_v0", (Entry(0, 5, IN_USE), Entry(6, 20, IN_USE)))
    signals = replace(one.tpc.signals, gains=in_file if gains is None else gains)
    (group,) = propose(replace(one, tpc=replace(one.tpc, signals=signals)), found, wanted)
    return group


def test_an_entry_has_the_measured_gains_until_the_end_of_the_present_range(measured):
    group = proposed(measured)
    assert group.problem is None
    entry = group.entry
    assert (entry.first, entry.last, entry.run, entry.date) == (7, 20, 7, "2026-11-28")
    assert entry.provenance is Provenance.MEASURED
    for value, error in zip(entry.value, entry.error, strict=True):
        assert value == pytest.approx(1 / (133 * 0.925), abs=3.5 * error)
        assert len(f"{value:.12g}".lstrip("0.")) <= 6
    assert [one.current for one in group.channels] == IN_USE


@pytest.mark.parametrize("occupancy", [0.05, 0.5, 2.5])
def test_steady_light_is_no_problem_however_short_the_run(occupancy):
    led = xams().led
    for seed in range(20):
        assert led_run.problem(pulses(seed, occupancy, n=2100), led) is None


def test_a_group_has_no_entry_unless_each_channel_is_measured_or_kept(measured):
    found = measured | {3: pulses(3, occupancy=0.0)}
    group = proposed(found)
    assert group.entry is None
    assert "tpc: channel 3 has no gain from this run" in group.problem
    assert "--keep 3" in group.problem
    kept = proposed(found, replace(ONE_RUN, keep=(3,), runs=(2, 3)))
    assert (kept.entry.first, kept.entry.last, kept.entry.value[3]) == (2, 3, 0.02)
    assert kept.entry.error[3] is None
    assert kept.entry.provenance is Provenance.ESTIMATED
    assert "channel 3" in kept.entry.why
    del found[2]
    assert "channels 2, 3 have no gain" in proposed(found).problem


def test_where_no_entry_belongs(measured):
    assert "the gains are in the detector file" in proposed(measured, gains=IN_USE).problem
    later = replace(ONE_RUN, run=99)
    assert "gains_v0 has no gains for this run; give --runs" in proposed(measured, later).problem
    assert proposed(measured, replace(later, runs=(99, 100))).entry.first == 99
    assert "all channels keep" in proposed({}, replace(ONE_RUN, keep=range(5))).problem
    with pytest.raises(ConfigurationError, match="--keep names channel 9: allowed: 0, 1, 2, 3, 4"):
        proposed({}, replace(ONE_RUN, keep=(9,)))
