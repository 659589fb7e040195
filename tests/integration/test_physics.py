"""The reconstruction of simulated runs against their truth, as `make physics` in short."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from xamsflow.analysis.health import judging
from xamsflow.settings import detector
from xamsflow.simulate import Physics, Signal, SimulatedRun
from xamsflow.simulate.physics import health, pile_up, pre_trigger, quality, report
from xamsflow.simulate.physics.checks import MIN_AREA, Measurements, borders
from xamsflow.simulate.physics.matching import match
from xamsflow.simulate.physics.sample import border_run, take, usual_run
from xamsflow.state import layout

pytestmark = pytest.mark.xdist_group("physics")  # its tests share costly fixtures

SLACK = 3.0
"""Standard errors that a worst bin may be off its limit; these runs are short."""


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("physics")
    return Measurements(
        take(usual_run(20.0, seed=1), folder), take(border_run(3.0, seed=1), folder)
    )


def checked(findings, name):
    (check,) = [one for one in findings.checks(SLACK) if one.name.startswith(name)]
    return check


@pytest.mark.parametrize(
    "name",
    [
        "S1 efficiency",
        "S2 efficiency",
        "S1 area bias",
        "S2 area bias",
        "S1 area resolution",
        "S2 area resolution",
        "event drift time residual",
        "S1/S2 confusion",
        "S2s across chunk boundaries",
        "area from records to peaks",
    ],
)
def test_what_is_required_is_reached(findings, name):
    check = checked(findings, name)
    assert check.holds, f"{check.name}: {check.value}, required {check.required}, {check.detail}"


def smaller(peaks):
    peaks["area"] *= 0.9
    return peaks


def smeared(peaks):
    peaks["area"] *= np.random.default_rng(0).normal(1, 0.15, len(peaks))
    return peaks


def without_some(peaks):
    return peaks[np.arange(len(peaks)) % 30 > 0]


def with_other_types(peaks):
    peaks["type"] = np.where(np.arange(len(peaks)) % 30, peaks["type"], 3 - peaks["type"])
    return peaks


def in_halves(peaks):
    second = peaks.copy()
    middle = (peaks["time"] + peaks["endtime"]) // 2
    peaks["endtime"] = second["time"] = middle
    peaks["area"] *= 0.6
    second["area"] *= 0.4
    return np.sort(np.concatenate([peaks, second]), order="time")


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (smaller, ["S1 area bias", "S2 area bias", "area from records to peaks"]),
        (smeared, ["S2 area resolution"]),
        (without_some, ["S1 efficiency", "S2 efficiency", "S2s across chunk boundaries"]),
        (with_other_types, ["S1/S2 confusion"]),
        (in_halves, ["S2s across chunk boundaries"]),
    ],
)
def test_what_is_wrong_is_noticed(findings, spoil, names):
    spoiled = Measurements(
        *(
            replace(one, matched=match(one.matched.signals, spoil(one.matched.peaks.copy())))
            for one in (findings.usual, findings.borders)
        )
    )
    for name in names:
        assert not checked(spoiled, name).holds


def test_late_s2s_are_noticed(findings):
    events = findings.usual.events.copy()
    events["drift_time"] += 60
    late = Measurements(replace(findings.usual, events=events), findings.borders)
    assert not checked(late, "event drift time residual").holds


@pytest.mark.parametrize(("name", "area"), [("S1", 500), ("S2", 20000)])
def test_saturated_signals_are_told(findings, name, area):
    words = f"of all {name}s of up to {area} PE have saturated samples"
    assert f"; 0.00% {words}" in checked(findings, f"{name} area bias").detail
    peaks = findings.usual.matched.peaks.copy()
    peaks["n_saturated_channels"] = 1
    matched = match(findings.usual.matched.signals, peaks)
    saturated = Measurements(replace(findings.usual, matched=matched), findings.borders)
    assert f"; 100.00% {words}" in checked(saturated, f"{name} area bias").detail


def test_all_that_is_required_is_tested(findings):
    assert len(findings.checks()) == 10


def test_s2s_lie_across_most_borders(findings):
    settings = findings.borders.settings
    assert len(borders(settings)) == 119
    assert len(findings.on_borders) > 80


def test_report_has_the_plots_and_all_numbers(findings, tmp_path):
    picture, page = report.write(findings, tmp_path / "page", "a title & more")
    assert picture.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "a title &amp; more" in text
    for check in findings.checks():
        assert check.name in text
    assert "data:image/png;base64," in text


def test_v1724_is_reconstructed_as_well(tmp_path):
    path = layout.REPOSITORY / layout.DETECTORS / "xams_2021.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["tpc"]["channels"] = settings.pop("signals")["v1724"]["channels"]
    settings["tpc"]["classification"]["s1"]["max_width"] = 225
    slow = detector.parse("slow", settings, "a test")
    run = SimulatedRun(
        932, slow, duration=4, seed=1, readers=2, threads=2, physics=Physics.of(slow, 932)
    )
    matched = take(run, tmp_path).matched
    for kind, area in MIN_AREA.items():
        found, there = matched.found(kind, area), matched.select(kind, area)
        assert len(found) >= 0.98 * len(there)
        alone = matched.found(kind, area, alone=True)
        areas = matched.peaks["area"][matched.peak[alone]]
        assert areas.sum() == pytest.approx(matched.signals["area"][alone].sum(), rel=0.02)
    matrix = quality.confusion(matched, MIN_AREA)
    assert matrix[0, 2] + matrix[1, 1] <= 0.01 * matrix[:2].sum()


@pytest.mark.parametrize("samples", [16, 20, 25, 30, 40])
def test_v1724_with_a_short_pre_trigger(tmp_path, samples):
    found = pre_trigger.measure(pre_trigger.v1724(), tmp_path, duration=1.5, pre_trigger=samples)
    for areas in found.values():
        assert areas.n > 40
        assert abs(areas.bias) <= 0.02
        assert areas.efficiency >= 0.98


def test_v1730_that_measures_no_baseline_with_a_short_pre_trigger(tmp_path):
    xamsl = detector.load("xamsl")
    found = pre_trigger.measure(xamsl, tmp_path, duration=1.5, pre_trigger=20, own_baseline=False)
    for areas in found.values():
        assert areas.n > 40
        assert abs(areas.bias) <= 0.02


def test_no_drift_time_from_beyond_the_cathode(tmp_path):
    before, after = pile_up.measure(detector.load("xamsl"), 500.0, 1, 200, tmp_path)
    assert before.beyond > 0 == after.beyond
    assert after.right > before.right


NOTHING = Physics(event_rate=0, single_electron_rate=0, dark_rate=0, sipm_dark_rate=0)


@pytest.mark.parametrize(
    ("physics", "duration", "n_events"),
    [
        pytest.param(NOTHING, 0.5, 0, id="empty"),
        pytest.param(replace(NOTHING, dark_rate=2000), 0.5, 0, id="dark counts only"),
        pytest.param(Physics(event_rate=200), 0.1, 20, id="shorter than a chunk"),
        pytest.param(Physics(event_rate=200, dead_channels=(0,)), 0.5, 100, id="dead channel"),
        pytest.param(
            Physics(event_rate=50, s1_area=(2e4, 5e4), s2_area=(2e5, 5e5)), 0.1, 5, id="saturated"
        ),
        pytest.param(Physics(event_rate=4000, s2_area=(100, 1000)), 0.2, 500, id="pile-up"),
    ],
)
def test_unusual_runs_have_a_valid_result(tmp_path, physics, duration, n_events):
    run = replace(usual_run(duration, seed=1), physics=physics)
    sample = take(run, tmp_path)
    peaks = sample.matched.peaks
    assert (np.diff(peaks["time"]) >= 0).all()
    assert (peaks["time"][1:] >= peaks["endtime"][:-1]).all()
    assert np.isfinite(peaks["area"]).all()
    assert 0.5 * n_events <= len(sample.events) <= 1.5 * n_events
    if physics.dead_channels:
        assert len(sample.matched.found(Signal.S2, 200)) > 50
    s1s = sample.matched.peak[sample.matched.select(Signal.S1)]
    if physics.s1_area[0] > 1e4:
        assert (peaks["n_saturated_channels"][s1s] > 0).all()


def test_faults_are_seen_in_the_first_run_that_has_them(tmp_path, monkeypatch):
    """Two of those of `python -m xamsflow.simulate.physics.health`, compared with one usual run."""
    monkeypatch.chdir(tmp_path)
    site = health.prepare(tmp_path)
    found = []
    for index, fault in enumerate([None, None, "baseline step of 10 counts", "dead PMT"]):
        run = replace(
            health.usual_run(health.FIRST + index, 1.0), chunk_length=0.3, chunk_overlap=0.1
        )
        found.append(health.take(health.with_fault(run, fault) if fault else run, site))
        if index == 0:
            judging.name_reference(run.run_id, "anna")
    first, usual, step, dead = found
    assert (first.verdict, usual.verdict) == ("unknown", "usual")
    assert [one.name for one in step.odd] == [f"baseline_ch{health.TOP}"]
    assert f"pulse_rate_ch{health.TOP}" in {one.name for one in dead.odd}
