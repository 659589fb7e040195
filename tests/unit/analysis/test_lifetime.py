from pathlib import Path

import numpy as np
import pytest

from xamsflow.analysis import lifetime
from xamsflow.settings.corrections import ByRun, Entry
from xamsflow.state import quantities
from xamsflow.state.quantities import Quantities, Quantity


def write(run: str, **found: Quantity) -> None:
    quantities.write(Quantities(run, "xams", "bg", 0, 1, "2026-11-28T12:00:00", {}, found))


def test_the_lifetime_of_runs_as_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("000008", electron_loss_rate=Quantity(4.5, 0.1, "1/ms"))
    write("000009", electron_loss_rate=Quantity(4.6, 0.1, "1/ms"))
    used = [lifetime.of_run(number, f"{number:06d}") for number in (8, 9)]
    rate, error = lifetime.mean(used)
    assert (rate, error) == (pytest.approx(4.55), pytest.approx(0.1 / 2**0.5))
    value = lifetime.inverse(rate, error)
    assert value == (pytest.approx(219.78, abs=0.01), pytest.approx(3.416, abs=0.001))
    by_run = ByRun("lifetime_v0", (Entry(5, 20, 300_000),))
    assert lifetime.entry(used, value, by_run, None, "2026-11-28") == Entry(
        8,
        20,
        219_800,
        why="weighted mean of 1/lifetime of runs 8 9",
        run=8,
        date="2026-11-28",
        error=3400,
    )
    assert lifetime.entry(used[:1], value, by_run, (30, 31), "2026-11-28").first == 30
    assert lifetime.entry(used, value, ByRun("lifetime_v0", ()), None, "2026-11-28") is None


def test_rates_that_are_negative_by_chance_count() -> None:
    rates = 1 + 2 * np.random.default_rng(1).standard_normal(400)
    used = [lifetime.LossRate(7, float(rate), 2.0, None) for rate in rates]
    used.append(lifetime.LossRate(8, None, None, "3 events"))
    rate, error = lifetime.mean(used)
    assert rate == pytest.approx(1, abs=3 * error)
    assert error == pytest.approx(0.1, rel=0.1)
    assert lifetime.inverse(rate, error) is not None


def test_no_lifetime_follows_from_a_rate_close_to_zero() -> None:
    assert lifetime.inverse(0.29, 0.1) is None
    assert lifetime.inverse(-3.0, 0.1) is None


def test_runs_that_disagree_have_a_larger_error() -> None:
    used = [lifetime.LossRate(number, value, 0.1, None) for number, value in ((8, 4), (9, 5))]
    assert lifetime.mean(used)[1] == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "no electron_loss_rate: `xamsflow quantities --backfill`"),
        ({"electron_loss_rate": Quantity(None, problem="only 3 events")}, "only 3 events"),
        ({"electron_loss_rate": Quantity(220.0)}, "has no error"),
    ],
)
def test_a_run_without_a_lifetime(tmp_path, monkeypatch, found, words) -> None:
    monkeypatch.chdir(tmp_path)
    assert "xamsflow quantities --backfill" in (lifetime.of_run(7, "000007").problem or "")
    write("000007", **found)
    assert words in (lifetime.of_run(7, "000007").problem or "")
