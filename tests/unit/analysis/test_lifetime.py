from pathlib import Path

import numpy as np
import pytest

from xamsflow.analysis import lifetime
from xamsflow.analysis.quantities.estimators import NO_DECAY
from xamsflow.settings.corrections import ByRun, Entry
from xamsflow.state import quantities
from xamsflow.state.quantities import Quantities, Quantity


def write(run: str, **found: Quantity) -> None:
    quantities.write(Quantities(run, "xams", "bg", 0, 1, "2026-11-28T12:00:00", {}, found))


def test_the_lifetime_of_runs_as_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("000008", electron_lifetime=Quantity(220.0, 4.0, "us"))
    write("000009", electron_lifetime=Quantity(224.0, 4.0, "us"))
    used = [lifetime.of_run(number, f"{number:06d}") for number in (8, 9)]
    value, error = lifetime.mean(used)
    assert value == pytest.approx(222, rel=1e-3)
    assert error == pytest.approx(4 / 2**0.5, rel=1e-3)
    by_run = ByRun("lifetime_v0", (Entry(5, 20, 300_000),))
    assert lifetime.entry(used, by_run, None, "2026-11-28") == Entry(
        8, 20, 222_100, why="weighted mean of runs 8 9", run=8, date="2026-11-28", error=2800
    )
    assert lifetime.entry(used[:1], by_run, (30, 31), "2026-11-28").first == 30
    assert lifetime.entry(used, ByRun("lifetime_v0", ()), None, "2026-11-28") is None


def test_runs_with_few_events_do_not_bias_the_mean() -> None:
    rates = 1 / 250 + 0.001 * np.random.default_rng(1).standard_normal(400)
    used = [lifetime.RunLifetime(7, 1 / rate, 0.001 / rate**2, None) for rate in rates]
    value, error = lifetime.mean(used)
    assert value == pytest.approx(250, abs=3 * error)
    assert error == pytest.approx(250**2 * 0.001 / 20, rel=0.1)


def test_runs_that_disagree_have_a_larger_error() -> None:
    used = [
        lifetime.RunLifetime(number, value, 4.0, None) for number, value in ((8, 200), (9, 240))
    ]
    assert lifetime.mean(used)[1] == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "no electron_lifetime"),
        ({"electron_lifetime": Quantity(None, problem="only 3 events")}, "only 3 events"),
        ({"electron_lifetime": Quantity(220.0)}, "has no error"),
    ],
)
def test_a_run_without_a_lifetime(tmp_path, monkeypatch, found, words) -> None:
    monkeypatch.chdir(tmp_path)
    assert "xamsflow quantities --backfill" in (lifetime.of_run(7, "000007").problem or "")
    write("000007", **found)
    assert words in (lifetime.of_run(7, "000007").problem or "")


def test_runs_without_a_decay_are_not_forgotten(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("000007", electron_lifetime=Quantity(220.0, 10.0))
    write("000008", electron_lifetime=Quantity(None, problem=f"{NO_DECAY}: 1/lifetime is ..."))
    runs = [lifetime.of_run(number, f"{number:06d}") for number in (7, 8)]
    assert lifetime.without_decay(runs) == [8]
