"""The file of a run's quantities."""

import os
from pathlib import Path

import pytest

from xamsflow import cli
from xamsflow.analysis.quantities import definition, make, run_data, shipped
from xamsflow.analysis.quantities.backfill import backfill
from xamsflow.analysis.quantities.definition import Definition
from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.data.context import context
from xamsflow.data.loading import Loader
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.settings import detector as detectors
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.state import layout, quantities, receipts

RUN = "007200"


def test_every_shipped_quantity_has_a_value_or_says_why(site, own):
    made = make.make(site, RUN, own)
    assert made == quantities.read(RUN)
    assert (made.detector, made.mode) == ("xams", "bg")
    assert made.end - made.start == 1_200_000_000
    for name, each in made.quantities.items():
        assert (each.value is None) == (each.problem is not None), name
        assert each.definition and each.by == "xamsflow" and each.code, name
        assert each.channel is None or name.endswith(f"_ch{each.channel}")
    names = {name for name, each in made.quantities.items() if each.channel is None}
    channels = detectors.load("xams").tpc.signals.channels
    by_channel = [each for each in shipped.definitions() if each.by_channel]
    assert names == {each.name for each in shipped.definitions()} - {x.name for x in by_channel}
    assert len(made.quantities) == len(names) + len(by_channel) * len(channels)
    for name in ("live_fraction", "event_rate", "s2_area", "pulse_rate_ch0", "light_fraction_ch4"):
        assert made.quantities[name].value > 0, name
    assert "are needed" in made.quantities["electron_lifetime"].problem
    assert set(made.lineage) == {"events", "event_basics", "peak_basics", "pulse_counts", "peaks"}
    shares = [made.quantities[f"light_fraction_ch{channel}"].value for channel in channels]
    assert sum(shares) == pytest.approx(1)


def test_the_reference_lists_all_quantities():
    text = (layout.REPOSITORY / "docs" / "reference" / "quantities.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{each.name}`{', by channel' * each.by_channel} | {each.unit} | {each.definition} |"
        for each in shipped.definitions()
    ]


def test_what_holds_is_kept_and_newer_data_are_measured_again(site, own):
    make.make(site, RUN, own)
    assert make.need(RUN, site.processed, own) is make.Need.NOTHING
    first = layout.quantities(RUN).stat().st_mtime_ns
    receipt = layout.data_type_receipt(RUN, "event_info")
    os.utime(receipt, ns=(first + 1, first + 1))
    assert make.need(RUN, site.processed, own) is make.Need.NEW
    assert [run for run, problem in backfill(site)] == [RUN, "006800"]
    assert list(backfill(site)) == []


def test_data_that_change_while_they_are_measured_are_measured_by_the_next_backfill(site):
    receipt = layout.data_type_receipt(RUN, "event_info")
    Path("quantities.py").write_text(
        "import os, xamsflow\n@xamsflow.quantity\ndef changes(run):\n"
        f"    os.utime({str(receipt.absolute())!r})\n    return 1\n"
    )
    with pytest.raises(TransientError, match="was processed again"):
        make.make(site, RUN)
    assert not layout.quantities(RUN).exists()
    Path("quantities.py").unlink()
    assert [run for run, problem in backfill(site) if problem is None] == [RUN, "006800"]


def test_a_run_that_is_processed_after_the_beginning_is_left_to_the_next_backfill(site):
    runs = backfill(site)
    assert next(runs) == (RUN, None)
    os.utime(layout.data_type_receipt("006800", "event_info"))
    assert list(runs) == []
    assert list(backfill(site)) == [("006800", None)]


def test_a_run_that_is_not_processed_is_left_alone(site, own):
    assert make.need("006801", site.processed, own) is make.Need.NOTHING
    with pytest.raises(ConfigurationError, match="no receipt of a data type"):
        make.make(site, "006801", own)


def test_a_run_without_signals_has_rates_with_limits_and_reasons(site):
    xams = detectors.load("xams")
    nothing = Physics.of(xams, 6900, event_rate=0.0, dark_rate=0.0, single_electron_rate=0.0)
    document = simulate(
        SimulatedRun(6900, xams, duration=0.3, physics=nothing), site.directory / "live_data"
    )
    made = process_run(
        document=document,
        detector=xams,
        live_data=site.directory / "live_data",
        processed=site.directory / "processed",
        data_type="event_basics",
    )
    transferred = {"run_document": rundoc.to_json(document)}
    receipts.write(layout.transfer_receipt("006900"), transferred)
    receipts.write(layout.data_type_receipt("006900", "event_basics"), made)
    run = site.run(6900)
    folder = site.directory / "processed"
    loader = Loader(context(xams, folder, readonly=True), folder)
    run._loader = lambda: loader
    found = {}
    for each in shipped.definitions():
        found |= make.measure(each, run)
    for name, each in found.items():
        if name == "live_fraction":
            assert each.value == 1
        elif "_rate" in name and "loss" not in name:
            assert (each.value, each.problem) == (0, None), name
            assert each.error == pytest.approx(1.148 / 0.3), name
        else:
            assert each.value is None, name
            assert each.problem.startswith("no "), name


def raising(_):
    return 1 / 0


@pytest.mark.parametrize(
    "returned, problem",
    [
        (None, "returned nothing"),
        ([1], "returned a list"),
        (float("nan"), "returned nan"),
        ((1.0, -1.0), "with the error -1.0"),
        ("x" * 300, "more than 200 characters"),
        ({1: 2}, "returned a dict"),
    ],
)
def test_what_is_no_value_is_a_problem(site, returned, problem):
    one = Definition("one", "Hz", "One.", lambda _: returned)
    (found,) = make.measure(one, site.run(RUN)).values()
    assert found.value is None
    assert problem in found.problem


def test_an_error_is_a_problem(site):
    (found,) = make.measure(Definition("one", "", "", raising), site.run(RUN)).values()
    assert found.problem == "ZeroDivisionError: division by zero"


def test_data_that_are_missing_or_made_otherwise_have_a_word(site, tmp_path):
    empty = site.run(RUN)
    empty.processed = tmp_path
    empty._loader = lambda: _Elsewhere(site.loader, tmp_path)
    problems = {
        each.problem
        for one in shipped.definitions()
        for each in make.measure(one, empty).values()
        if one.name != "live_fraction"
    }
    assert all("is not stored: nothing is stored" in problem for problem in problems), problems
    for name in ("events", "peaks", "event_basics", "peak_basics", "pulse_counts"):
        (tmp_path / f"{RUN}-{name}-0123456789").mkdir()
    for one in shipped.definitions()[1:]:
        for each in make.measure(one, empty).values():
            assert "was made with other settings or by another version" in each.problem


class _Elsewhere:
    """The loader of a site, which looks in another folder."""

    def __init__(self, loader, processed):
        self._loader, self._processed = loader, processed
        self.data_types = loader.data_types

    def folder(self, run, data_type):
        return self._processed / self._loader.folder(run, data_type).name

    def is_stored(self, *_):
        return False


def test_the_table_and_the_command_show_the_same(site, own, capsys):
    for run in ("006800", RUN):
        make.make(site, run, own)
    table = site.quantities(problems=True).set_index("run_id")
    assert {"006800", RUN, "006801"} == set(table.index)
    kept = quantities.read(RUN).quantities
    assert table["event_rate"][RUN] == kept["event_rate"].value
    assert table["event_rate_error"][RUN] == kept["event_rate"].error
    assert "are needed" in table["electron_lifetime_problem"][RUN]
    assert table["event_rate"].isna()["006801"]
    assert site.quantities(mode="*Cs137")["run_id"].tolist() == ["006800"]

    assert cli.main(["quantities", "7200"]) == 0
    out = capsys.readouterr().out
    assert "noise_ch4" in out and " ± " in out and "are needed" in out
    assert cli.main(["quantities", "6800-7200"]) == 1  # one has none
    out, err = capsys.readouterr()
    assert "event_rate" in out and "noise" not in out
    assert "no quantities of 6801: compute them with" in err
    assert cli.main(["quantities", "--csv", "--name", "noise_*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run_id,mode,noise_ch0,noise_ch0_error,noise_ch1,")
    assert len(lines) == 3


def test_a_disk_that_is_away_does_not_make_a_problem_final(site, own, monkeypatch):
    def away(*_):
        raise OSError(5, "Input/output error")

    layout.quantities(RUN).unlink(missing_ok=True)
    with monkeypatch.context() as broken:
        broken.setattr(run_data.RunData, "rows", away)
        found = make.make(site, RUN, own).quantities["event_rate"]
    assert "Input/output error" in found.problem
    assert make.need(RUN, site.processed, own) is make.Need.AGAIN


def test_changed_code_makes_a_quantity_again_changed_words_do_not(tmp_path):
    """What decides whether a quantity is up to date; shipped code also depends on what it uses."""
    file = tmp_path / "code.py"
    text = 'TIMES = 2\n\ndef one(run):\n    """Words."""\n    return run.length * TIMES\n'

    def code(changed):
        file.write_text(changed)
        return definition.code_of(file)

    before = code(text)
    assert code("# a comment\n" + text.replace("Words", "Other words")) == before
    assert code(text.replace("TIMES = 2", "TIMES = 3")) != before
    assert code(text.replace("run.length", "run.live_time")) != before
    assert code(text.replace('    """Words."""\n', '    print("Words")\n')) != before


@pytest.mark.parametrize("changed", ["estimators", "run_data", "definition", "xenon"])
def test_what_shipped_quantities_depend_on_makes_them_again(monkeypatch, changed):
    before = {each.name: each.code for each in shipped.definitions()}
    real = definition.code_of
    monkeypatch.setattr(
        definition, "code_of", lambda file: real(file) + "x" * (file.stem == changed)
    )
    after = {each.name: each.code for each in shipped.definitions.__wrapped__()}
    same = {name for name in before if before[name] == after[name]}
    if changed == "xenon":
        assert {"event_rate", "noise"} <= same and not {"s2_area", "electron_lifetime"} & same
    else:
        assert not same
