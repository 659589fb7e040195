"""Verdicts on runs with quantities that are written for the test."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from xamsflow import cli
from xamsflow.analysis.health import comparison, judging, references
from xamsflow.analysis.quantities import make
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import config
from xamsflow.state import health, layout, quantities, receipts
from xamsflow.state.health import Verdict
from xamsflow.state.quantities import Quantities, Quantity
from xamsflow.views import reconstructed

MINUTE = 60_000_000_000
CENTERS = {
    "event_rate": (50.0, 1.0, "Hz"),
    "s2_area": (4000.0, 60.0, "PE"),
    "electron_loss_rate": (4.0, 0.24, "1/ms"),
    **{f"noise_ch{channel}": (2.0, 0.005, "ADC counts") for channel in range(8)},
    **{f"baseline_ch{channel}": (8200.0 + channel, 0.2, "ADC counts") for channel in range(8)},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings():
    return config.load([])


def made(number, rng, mode="external_pmt", **changed):
    """The quantities of a usual run of a minute; `changed` are values of some of them."""
    found = {
        name: Quantity(center + 1.2 * error * rng.standard_normal(), error, unit, name)
        for name, (center, error, unit) in CENTERS.items()
    }
    for name, value in changed.items():
        problem = "no data" if value is None else None
        found[name] = replace(found[name], value=value, problem=problem)
    start = number * 2 * MINUTE
    return Quantities(
        f"{number:06d}", "xams", mode, start, start + MINUTE, "2026-01-02T03:04:05", {}, found
    )


def history(n=20, first=1000, seed=1):
    """Write the quantities of usual runs, and return the generator of random numbers."""
    rng = np.random.default_rng(seed)
    for number in range(first, first + n):
        quantities.write(made(number, rng))
    return rng


def judged(number, rng, settings, **changed):
    quantities.write(made(number, rng, **changed))
    return alone(f"{number:06d}", settings)


def alone(run, settings):
    (found,) = judging.judge([run], settings)
    return found


def names(found):
    return {one.name for one in found.odd}


def test_a_usual_run(settings):
    found = judged(1020, history(), settings)
    assert (found.verdict, found.odd, found.n_judged) == (Verdict.USUAL, (), len(CENTERS))
    assert found.reference == "20 earlier runs of mode 'external_pmt', 001000 to 001019"


def test_too_few_runs_to_compare_with(settings):
    found = judged(1003, history(3), settings)
    assert found.verdict is Verdict.UNKNOWN
    assert found.reference == (
        "3 earlier runs of mode 'external_pmt', 001000 to 001002; 15 are needed"
    )


def test_what_nobody_could_judge_becomes_a_reference_later(settings):
    rng = np.random.default_rng(3)
    verdicts = [judged(number, rng, settings).verdict for number in range(1000, 1020)]
    assert verdicts == [Verdict.UNKNOWN] * 15 + [Verdict.USUAL] * 5


@pytest.mark.parametrize(
    ("name", "value"),
    [("noise_ch3", 2.4), ("electron_loss_rate", 8.0), ("baseline_ch0", 8195.0), ("s2_area", 0.0)],
)
def test_a_quantity_that_stands_out(settings, name, value):
    found = judged(1020, history(), settings, **{name: value})
    assert (found.verdict, names(found)) == (Verdict.ODD, {name})
    assert found.odd[0].since == "001020"


def test_a_quantity_that_should_be_there(settings):
    found = judged(1020, history(), settings, s2_area=None)
    assert str(found.odd[0]).startswith("s2_area: missing (no data), usually 39")


def test_a_short_run_may_lack_a_quantity(settings):
    rng = history()
    short = made(1020, rng, s2_area=None)
    quantities.write(replace(short, end=short.start + MINUTE // 4))
    assert alone("001020", settings).verdict is Verdict.USUAL


def test_the_error_of_the_run_counts(settings):
    rng = history()
    run = made(1020, rng, electron_loss_rate=8.0)
    loss = replace(run.quantities["electron_loss_rate"], error=1.0)
    quantities.write(replace(run, quantities={**run.quantities, "electron_loss_rate": loss}))
    assert alone("001020", settings).verdict is Verdict.USUAL


def test_what_follows_from_another_quantity_is_not_compared(settings):
    """A run that sees no electrons lost has no lifetime: only the rate says whether that is odd."""
    rng = np.random.default_rng(4)
    for number in range(1000, 1021):
        run = made(number, rng)
        lifetime = Quantity(250.0, 15.0, "us") if number < 1020 else Quantity(None, problem="none")
        more = {"electron_lifetime": lifetime}
        quantities.write(replace(run, quantities={**run.quantities, **more}))
    found = alone("001020", settings)
    assert (found.verdict, found.n_judged) == (Verdict.USUAL, len(CENTERS))


def test_another_mode_another_definition_and_damaged_files_are_no_reference(settings):
    rng = history(15)
    for number in range(1015, 1035):
        quantities.write(made(number, rng, mode="led", event_rate=0.0))
    for number in range(1035, 1040):
        path = layout.quantities(f"{number:06d}")
        path.parent.mkdir(parents=True)
        path.write_text("{")
    run = made(1040, rng)
    other = replace(run.quantities["s2_area"], value=1.0, definition="a new one")
    quantities.write(replace(run, quantities={**run.quantities, "s2_area": other}))
    found = alone("001040", settings)
    assert (found.verdict, len(found.references)) == (Verdict.USUAL, 15)


def test_a_run_without_quantities(settings):
    assert judging.judge(["001000"], settings) == []


def test_odd_runs_are_no_reference_and_keep_the_run_in_which_it_began(settings):
    rng = history()
    for number in range(1020, 1026):
        found = judged(number, rng, settings, noise_ch3=2.4)
        assert (found.verdict, found.odd[0].since) == (Verdict.ODD, "001020")
    assert len(found.references) == 20
    worse = judged(1026, rng, settings, noise_ch3=3.0)
    assert worse.odd[0].since == "001026"


def test_a_note_holds_until_the_problem_changes(settings):
    rng = history()
    for number in (1020, 1021):
        judged(number, rng, settings, noise_ch3=2.4)
    changed = judging.acknowledge("001020", "loose cable", "anna")
    assert [one.run_id for one in changed] == ["001020", "001021"]
    same = judged(1022, rng, settings, noise_ch3=2.4, electron_loss_rate=10.0)
    assert [note.names for note in same.known] == [("noise_ch3",)]
    assert same.unknown_names == ("electron_loss_rate",)
    assert alone("001022", settings).known == same.known
    assert judged(1023, rng, settings, noise_ch3=3.0).known == ()
    assert judged(1024, rng, settings).known == ()
    assert judged(1025, rng, settings, noise_ch3=2.4).unknown_names == ("noise_ch3",)


def test_a_note_on_a_lifetime_holds_for_the_rate_that_is_compared_now(settings):
    """Earlier versions compared the lifetime, the inverse of the rate of loss."""
    rng = history()
    for number in (1020, 1021):
        found = judged(number, rng, settings, electron_loss_rate=10.0)
        (odd,) = found.odd
        lifetime = replace(odd, name="electron_lifetime", value=100.0, began=100.0)
        health.write(replace(found, odd=(lifetime,)))
    judging.acknowledge("001020", "gas was added", "anna")
    assert health.read("001021").known[0].names == ("electron_lifetime",)
    same = judged(1022, rng, settings, electron_loss_rate=10.0)
    assert (same.odd[0].since, same.unknown_names) == ("001020", ())
    assert alone("001022", settings).unknown_names == ()
    other = judged(1023, rng, settings, electron_loss_rate=20.0)
    assert other.unknown_names == ("electron_loss_rate",)


def test_a_declared_reference(settings):
    rng = history()
    for number in range(1020, 1023):
        judged(number, rng, settings, s2_area=5000.0)
    again = judging.name_reference("001020", "anna")
    assert [one.verdict for one in again] == [Verdict.USUAL] * 3
    assert again[1].reference == "run 001020, which was declared as reference"
    assert again[0].reference == "declared as reference by anna"
    assert names(judged(1023, rng, settings)) == {"s2_area"}
    for number in range(1024, 1040):
        found = judged(number, rng, settings, s2_area=5000.0)
    assert found.references[-1] == "001020"
    assert found.verdict is Verdict.USUAL


def test_only_new_deviations_of_recent_runs_are_reported(settings, monkeypatch, tmp_path):
    told = tmp_path / "told"
    file = tmp_path / "notify.yaml"
    file.write_text(f"notify: {{command: [tee, -a, {told}], space_left_gb: 0}}\n")
    settings = config.load([file])
    rng = history()
    judged(1020, rng, settings, noise_ch3=2.4)
    assert not told.exists()
    monkeypatch.setattr(judging, "RECENT", timedelta.max)
    for number in (1021, 1022, 1024):
        judged(number, rng, settings, noise_ch3=3.0 if number > 1020 else 2.4)
    judged(1023, rng, settings, noise_ch3=3.0)
    assert told.read_text().count("is odd") == 1
    assert "run 001021 is odd: noise_ch3" in told.read_text()
    assert "  noise_ch3: 3.000, usually " in told.read_text()


def telling(tmp_path, monkeypatch):
    """Settings whose messages go to a file, which is returned as well."""
    told, file = tmp_path / "told", tmp_path / "notify.yaml"
    file.write_text(f"notify: {{command: [tee, -a, {told}], space_left_gb: 0}}\n")
    monkeypatch.setattr(judging, "RECENT", timedelta.max)
    return config.load([file]), told


def test_runs_that_are_judged_together_are_reported_once(tmp_path, monkeypatch):
    settings, told = telling(tmp_path, monkeypatch)
    rng = history()
    for number in (1020, 1021):
        quantities.write(made(number, rng, noise_ch3=3.0))
    for _ in range(2):
        judging.judge(["001020", "001021"], settings)
    assert told.read_text().count("is odd") == 1
    assert "run 001020 is odd: noise_ch3" in told.read_text()


def test_a_batch_leaves_runs_that_cannot_be_judged_yet_without_verdict(settings):
    history()
    runs = [f"{number:06d}" for number in range(1000, 1020)]
    found = judging.judge(runs, settings, is_last=False)
    assert [one.run_id for one in found] == runs[15:]
    assert [judging.is_unjudged(run) for run in runs] == [True] * 15 + [False] * 5
    assert len(judging.judge(runs, settings)) == 20
    assert not any(map(judging.is_unjudged, runs))


def unreadable(path):
    """Make a file that cannot be opened, by anybody."""
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def test_a_file_that_cannot_be_read_concerns_its_own_run(settings):
    rng = history()
    alone("001019", settings)
    judged(1020, rng, settings)
    unreadable(layout.health("001020"))
    unreadable(layout.quantities("001005"))
    assert judged(1021, rng, settings).verdict is Verdict.USUAL
    judged(1022, rng, settings)
    unreadable(layout.quantities("001021"))
    assert [one.run_id for one in judging.name_reference("001019", "anna")][-1] == "001022"


def test_verdicts_go_to_documents_of_runs_published_from_here_only(settings):
    """Without such a run, the run database is not even opened."""
    found = judged(1, np.random.default_rng(1), settings)
    settings = replace(settings, rundb=replace(settings.rundb, uri="mongodb://"))
    judging.publish_all([found], settings)
    receipts.write(layout.rundoc_receipt("000001"), {})
    with pytest.raises(ConfigurationError, match=r"rundb\.uri"):
        judging.publish_all([found], settings)


@pytest.mark.parametrize("verb", ["health", "quantities"])
def test_a_list_shows_the_runs_that_can_be_read(verb, settings, capsys):
    rng = np.random.default_rng(1)
    for number in (1, 2, 3):
        judged(number, rng, settings)
    unreadable(layout.health("000002"))
    unreadable(layout.quantities("000002"))
    assert cli.main([verb, "1-3", "--json"]) == 1
    said = capsys.readouterr()
    assert "000002" in said.err
    assert sorted(one["run_id"] for one in json.loads(said.out)) == ["000001", "000003"]


def test_a_verdict_is_known_without_the_run_database(settings):
    found = judged(1, np.random.default_rng(1), settings)
    assert reconstructed.document("000001")["processing"]["health"] == found.in_document()
    unreadable(layout.health("000001"))
    assert "health" not in reconstructed.document("000001")["processing"]


def test_what_was_not_judged_when_a_process_was_killed_is_known(settings):
    quantities.write(made(1, np.random.default_rng(1)))
    assert judging.is_unjudged("000001")
    alone("000001", settings)
    assert not judging.is_unjudged("000001")
    assert not judging.is_unjudged("000002")
    unreadable(layout.health("000001"))
    assert judging.is_unjudged("000001")
    unreadable(layout.quantities("000001"))
    assert not judging.is_unjudged("000001")
    receipts.write(layout.data_type_receipt("000001", "events"), {})
    assert make.is_new("000001", Path("processed"))


def test_only_an_odd_run_can_be_acknowledged(settings):
    rng = history()
    judged(1020, rng, settings)
    with pytest.raises(ConfigurationError, match="001020 is usual"):
        judging.acknowledge("001020", "nothing", "anna")
    with pytest.raises(ConfigurationError, match=r"001019 has not been judged.*--again"):
        judging.acknowledge("001019", "nothing", "anna")


def test_the_file_is_json_without_nan(settings):
    judged(1020, history(), settings, noise_ch3=float("nan"), s2_area=0.0)
    found = json.loads(layout.health("001020").read_text(), parse_constant=pytest.fail)
    assert health.read("001020").odd == alone("001020", settings).odd
    assert [one["name"] for one in found["odd"]] == ["s2_area"]


def test_texts_are_compared_if_they_are_always_the_same(settings):
    rng = history(0)
    for number in range(1000, 1016):
        run = made(number, rng)
        more = {"gas": Quantity("on", by="q.py"), "note": Quantity(f"text {number}", by="q.py")}
        value = "off" if number == 1015 else "on"
        more["gas"] = replace(more["gas"], value=value)
        quantities.write(replace(run, quantities={**run.quantities, **more}))
    assert str(alone("001015", settings).odd[0]) == "gas: off, usually on"


def test_false_alarms_among_usual_runs():
    """At most one in a thousand of 20,000, some of which are short, while the detector drifts."""
    rng = np.random.default_rng(7)
    n_runs, n_names, n = 20_000, 6, references.MOST
    errors = np.exp(rng.uniform(np.log(0.3), np.log(3), n_runs))[:, np.newaxis]
    drift = np.cumsum(rng.normal(0, 0.05, (n_runs, n_names)), axis=0)
    values = 1000 + drift + rng.standard_normal((n_runs, n_names)) * np.sqrt(errors**2 + 1)
    windows = [
        np.moveaxis(np.lib.stride_tricks.sliding_window_view(each[:-1], n, axis=0), -1, 0)
        for each in (values, np.broadcast_to(errors, values.shape))
    ]
    usual = comparison.of_runs(*windows, "PE")
    deviations = (values[n:] - usual.center) / usual.spread_for(errors[n:])
    n_odd = int((np.abs(deviations).max(axis=1) > comparison.limit(n_names, n)).sum())
    assert n_odd <= n_runs / 1000


def test_quantities_with_long_tails_raise_no_false_alarms():
    """A deviation of one run is odd only beyond the tails that the reference runs show."""
    rng = np.random.default_rng(3)
    n_names, n = 40, references.MOST
    n_odd, n_far = 0, 0
    for run in rng.standard_t(5, (30, n + 1, n_names)):
        usual = comparison.of_runs(run[:-1], np.zeros((n, n_names)), "PE")
        deviations = np.abs(run[-1] - usual.center) / usual.spread_for(0.0)
        of = min(comparison.tails(list(usual.residuals.T)), key=lambda one: one.freedom)
        n_far += deviations.max() > comparison.limit(n_names, n)
        n_odd += deviations.max() > comparison.limit(n_names, n, of)
    assert n_odd == 0 < n_far


def test_long_tails_of_some_quantities_are_their_own():
    rng = np.random.default_rng(1)
    residuals = rng.standard_normal((references.MOST, 40))
    residuals[:, 0] = rng.standard_t(2.5, references.MOST)
    residuals[:, 1] = np.nan  # a quantity that never changes
    found = comparison.tails(list(residuals.T))
    assert found[0].freedom < 8
    assert found[1] == comparison.NORMAL
    assert found.count(comparison.NORMAL) > 0.8 * len(found)
    assert comparison.tails([]) == []


def test_what_may_be_chance_is_odd_if_the_next_run_has_it_as_well(tmp_path, monkeypatch):
    settings, told = telling(tmp_path, monkeypatch)
    rng = np.random.default_rng(5)
    for number in range(1000, 1050):
        run = made(number, rng)
        rate = replace(run.quantities["event_rate"], value=50 + 2 * rng.standard_t(2.5))
        quantities.write(replace(run, quantities={**run.quantities, "event_rate": rate}))
    first = judged(1050, rng, settings, event_rate=78.0)
    assert (first.verdict, [one.name for one in first.suspects]) == (Verdict.USUAL, ["event_rate"])
    assert health.read("001050") == first
    assert not told.exists()
    other_side = judged(1051, rng, settings, event_rate=22.0)
    assert other_side.verdict is Verdict.USUAL
    second = judged(1052, rng, settings, event_rate=22.0)
    assert (names(second), second.suspects) == ({"event_rate"}, ())
    assert "run 001052 is odd: event_rate" in told.read_text()
    third = judged(1053, rng, settings, event_rate=22.0)
    assert (third.verdict, third.odd[0].since) == (Verdict.ODD, "001052")
    assert judged(1054, rng, settings, event_rate=5000.0).verdict is Verdict.ODD, "at once"
