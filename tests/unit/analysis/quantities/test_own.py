"""A site's own quantities: whatever is wrong with one is in its own column only."""

from pathlib import Path

import pytest

from xamsflow.analysis.quantities import make, shipped
from xamsflow.analysis.quantities.backfill import backfill
from xamsflow.analysis.quantities.own import MAX_TRIES
from xamsflow.state import quantities

RUN = "007200"

HEAD = "import os, signal, sys\nimport numpy as np\nimport xamsflow\n"

GOOD = '''
@xamsflow.quantity(unit="PE")
def largest_s2(run):
    """Area of the largest S2.

    This is not part of the definition.
    """
    print("printed text does no harm")
    return run.load("peak_basics", columns="area", selection="type == 2")["area"].max(), 1

@xamsflow.quantity
def kind(run):
    """Kind of run."""
    return f"{run.mode} with {len(run.channels)} PMTs"

@xamsflow.quantity(by_channel=True)
def places(run):
    """Place."""
    return {channel: place for place, channel in enumerate(run.channels)}
'''

WRONG = {
    "raises": ("return 1 / 0", "quantities.py, line 7: ZeroDivisionError: division by zero"),
    "is_endless": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    while True: pass",
        "took longer than 5 s",
    ),
    "is_large": ("return len(np.ones(50_000_000_000, np.int8))", "needs more than 0.5 GB"),
    "grows": ("a = []\n    while True: a.append(bytearray(10_000_000))", "more than 0.5 GB"),
    "leaves": ("os._exit(0)", "ended its process with exit code 0"),
    "is_killed": ("os.kill(os.getpid(), signal.SIGKILL)", "ended its process by SIGKILL"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "needs_other_data": ('return run.load("led_calibration")', "led_calibration is not stored"),
    "needs_no_data": ('return run.load("peeks")', "did you mean peaks?"),
    "needs_no_field": ('return run.load("peaks", columns="aera")', "did you mean area?"),
    "gives_a_table": ('return run.load("events")', "returned a DataFrame, not a number"),
    "gives_nothing": ("pass", "returned nothing, not a number"),
}


def written(text: str) -> None:
    Path("quantities.py").write_text(HEAD + text)


def wrong(name: str) -> str:
    return f"\n@xamsflow.quantity\ndef {name}(run):\n    {WRONG[name][0].strip()}\n"


def test_a_few_lines_make_a_quantity(site, own):
    written(GOOD)
    made = make.make(site, RUN, own).quantities
    s2 = made["largest_s2"]
    assert (s2.unit, s2.definition, s2.by) == ("PE", "Area of the largest S2.", "quantities.py")
    assert s2.value > 100 and s2.error == 1
    assert made["kind"].value == "bg with 5 PMTs"
    assert [made[f"places_ch{channel}"].value for channel in range(5)] == [0, 1, 2, 3, 4]
    table = site.quantities(RUN)
    assert table["kind"].tolist() == ["bg with 5 PMTs"]
    assert table["largest_s2"].dtype == float


def test_a_wrong_quantity_harms_no_other(site, own):
    written("".join(map(wrong, WRONG)) + GOOD)
    made = make.make(site, RUN, own).quantities
    for name, (_, problem) in WRONG.items():
        assert made[name].value is None
        assert problem in made[name].problem, name
    assert made["largest_s2"].value > 100, "others in the file are measured"
    names = {each.name for each in shipped.definitions() if not each.by_channel}
    assert all(made[name].by == "xamsflow" for name in names)
    tried_again = {name for name in WRONG if made[name].code == ""}
    assert tried_again == {"is_endless", "is_large", "grows", "is_killed"}, "not what its code does"
    assert make.need(RUN, site.processed, own) is make.Need.AGAIN


def test_what_ends_its_process_again_and_again_is_given_up(site, own):
    written(wrong("leaves") + wrong("raises"))
    leaves, raises = own.definitions
    for _ in range(MAX_TRIES):
        (found,) = own.measure(leaves, site.run(RUN)).values()
        assert found.problem == WRONG["leaves"][1]
    (found,) = own.measure(leaves, site.run(RUN)).values()
    assert f"given up: it ended its process or reached a limit in {MAX_TRIES}" in found.problem
    assert (own.has_given_up(leaves), own.has_given_up(raises)) == (True, False)
    (found,) = own.measure(raises, site.run(RUN)).values()
    assert "ZeroDivisionError" in found.problem


def test_what_may_have_passed_is_tried_once_by_each_backfill_what_is_wrong_is_not(site):
    text = """
def counted(name):
    with open(name, "a") as file:
        file.write(".")

@xamsflow.quantity
def away(run):
    counted(f"away{run.number}")
    return len(open("elsewhere").read())

@xamsflow.quantity
def wrong(run):
    counted(f"wrong{run.number}")
    return 1 / 0
"""
    written(text)
    for _ in range(2):
        assert [run for run, _ in backfill(site)] == [RUN, "006800"]
    Path("elsewhere").write_text("12")
    assert [run for run, _ in backfill(site)] == [RUN, "006800"]
    assert list(backfill(site)) == []
    assert quantities.read(RUN).quantities["away"].value == 2
    assert [len(Path(f"{name}7200").read_text()) for name in ("away", "wrong")] == [3, 1]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("def one(:\n", "quantities.py, line 4: SyntaxError"),
        ("import no_such_module\n", "line 4: ModuleNotFoundError"),
        ("os._exit(5)\n", "ended its process with exit code 5"),
        ("@xamsflow.quantity\ndef s1_rate(run): return 1\n", "is the name of a quantity of xams"),
        ("@xamsflow.quantity\ndef one_error(run): return 1\n", "'one_error': allowed: lower-case"),
    ],
)
def test_a_file_that_cannot_be_used_has_a_column(site, own, text, problem):
    written(text)
    made = make.make(site, RUN, own).quantities
    assert problem in made["quantities_py"].problem
    assert made["event_rate"].value > 0


def test_a_backfill_makes_only_what_is_missing(site):
    list(backfill(site))
    before = quantities.read(RUN).quantities
    written(GOOD)
    assert [run for run, _ in backfill(site)] == [RUN, "006800"]
    after = quantities.read(RUN)
    assert before.items() <= after.quantities.items()
    assert list(backfill(site)) == [], "nothing is left to make"
    written("# a comment changes nothing\n" + GOOD)
    assert list(backfill(site)) == []
    written(GOOD.replace("max(), 1", "min(), 1"))
    assert len(list(backfill(site))) == 2
    assert quantities.read(RUN).quantities["largest_s2"].value < 10_000
    written("def broken(:\n")
    list(backfill(site))
    assert "largest_s2" in quantities.read(RUN).quantities, "what was known is kept"
    Path("quantities.py").unlink()
    list(backfill(site))
    assert quantities.read(RUN).quantities == before
