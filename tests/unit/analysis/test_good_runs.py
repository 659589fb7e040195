"""Which runs may be used: criteria, reasons, and the same bytes anywhere."""

import json

import pandas as pd
import pytest

from xamsflow.analysis import good_runs
from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout, quantities, quantity_table
from xamsflow.state.quantities import Quantities, Quantity

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def row(number, **changes):
    """A run of a minute that begins at the minute `number` of a day."""
    start = pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(minutes=number)
    usual = {"mode": "bg", "source": "", "status": "done", "quality": "clean", "health": "usual"}
    times = {"start": start, "end": start + pd.Timedelta(minutes=1)}
    return {"run_id": f"{number:06d}", "tags": ()} | times | usual | changes


def measure(number, **values):
    found = {name: Quantity(value, 1.0, "us") for name, value in values.items()}
    run = f"{number:06d}"
    quantities.write(Quantities(run, "xams", "bg", 0, 60 * SECOND, "", {}, found))


def chosen(content, *rows):
    criteria = good_runs.check_criteria(content)
    return good_runs.choose(criteria, pd.DataFrame(list(rows)), quantity_table.read())


def reasons(content, *rows):
    return {run.run_id: run.reasons for run in chosen(content, *rows).left_out}


def test_words_and_tags():
    content = {"mode": ["bg", "*Cs*"], "quality": "clean", "tags": "good*", "exclude_tags": "bad"}
    found = reasons(
        content,
        row(1, tags=("good1",)),
        row(2, mode="led", quality="", tags=("good", "bad")),
        row(3),
    )
    assert found == {
        "000002": ("mode is led", "no quality", "tag bad"),
        "000003": ("no tag good*",),
    }


def test_quantities_within_limits():
    measure(1, lifetime=250.0, noise_ch0=2.0, noise_ch1=3.5)
    measure(2, lifetime=150.0, noise_ch0=2.0)
    measure(3, lifetime=None)
    content = {"quantities": {"lifetime": {"min": 200}, "noise_ch*": {"max": 3}}}
    assert reasons(content, row(1), row(2), row(3), row(4)) == {
        "000001": ("noise_ch1 is 3.5 us, above 3",),
        "000002": ("lifetime is 150 us, below 200",),
        "000003": ("lifetime: not a number", "noise_ch*: no such quantity"),
        "000004": ("no quantities",),
    }


def test_intervals_to_leave_out():
    interval = {"from": "2026-01-05 00:02:30", "to": "2026-01-05T00:03:00", "reason": "field off"}
    found = reasons({"leave_out": [interval]}, row(1), row(2), row(3), row(4, end=pd.NaT))
    assert found == {
        "000002": ("field off (2026-01-05 00:02:30 to 2026-01-05T00:03:00)",),
        "000004": ("no start or end, so it may be in an interval to leave out",),
    }


def test_a_date_to_which_runs_are_left_out_is_a_whole_day():
    day = {"from": "2026-01-05", "to": "2026-01-05", "reason": "HV"}
    assert set(reasons({"leave_out": [day]}, row(1), row(2))) == {"000001", "000002"}


def test_the_live_time():
    measure(1, live_fraction=0.9)
    measure(2, live_fraction=0.5)
    found = chosen({}, row(2), row(1), row(3))
    assert [run.run_id for run in found.good] == ["000001", "000002", "000003"]
    assert [run.live_time_s for run in found.good] == [54.0, 30.0, None]
    assert found.live_time_s == 84.0


def test_the_usual_criteria_and_dates_of_yaml(tmp_path):
    usual = good_runs.read_criteria()
    assert usual.patterns("health") == ["usual"]
    path = tmp_path / layout.GOOD_RUNS
    path.parent.mkdir()
    path.write_text("leave_out: [{from: 2026-01-05, to: 2026-01-05T12:00:00Z, reason: x}]\n")
    assert good_runs.read_criteria() != usual
    (interval,) = good_runs.read_criteria().content["leave_out"]
    assert interval["from"] == "2026-01-05"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("modes: bg", r"unknown key modes \(did you mean mode\?\)"),
        ("mode: 3", r"mode is 3, allowed: text or a list"),
        ("quantities: {noise: {min: low}}", r'quantities.noise.min is "low"'),
        (
            "leave_out: [{from: 2026-01-06, to: 2026-01-05, reason: x}]",
            "from is not earlier than to",
        ),
        ("leave_out: [{from: 2026-13-06 00:00, to: 2026-01-05, reason: x}]", "leave_out.0"),
        ("mode: [", "cannot be read"),
    ],
)
def test_wrong_criteria(tmp_path, content, told):
    path = tmp_path / "criteria.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=told) as raised:
        good_runs.read_criteria(path)
    assert str(path) in str(raised.value)


def test_the_same_bytes_anywhere(tmp_path, monkeypatch):
    written = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        for number in (2, 1) if name == "here" else (1, 2):
            measure(number, live_fraction=0.1 + 0.2, lifetime=100.0 * number)
        content = {"quantities": {"lifetime": {"min": 150}}, "mode": "bg"}
        rows = [row(1), row(2)] if name == "here" else [row(2), row(1)]
        written.append(json.dumps(chosen(content, *rows).to_json()))
    assert written[0] == written[1]
    assert str(tmp_path) not in written[0]
