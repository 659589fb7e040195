"""The numbers on the page of trends."""

import json

import numpy as np
import pytest

from xamsflow.analysis.health import comparison
from xamsflow.analysis.trends import contents
from xamsflow.settings import config
from xamsflow.state import health, quantities
from xamsflow.state.health import Deviation, Health, Verdict
from xamsflow.state.quantities import Quantities, Quantity
from xamsflow.views import html_page


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that makes the contents of the page, of runs given as columns."""
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "away.yaml"
    settings.write_text("rundb: {uri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=10'}\n")

    def make(*runs: dict[str, Quantity]):
        for number, values in enumerate(runs, 1):
            run = f"{number:06d}"
            start = (100 - number) * 10**12
            quantities.write(Quantities(run, "xams", "m", start, start + 1, "now", {}, values))
        return contents.collect(config.load([settings]))

    return make


def decoded(column) -> np.ndarray:
    values = [np.nan if n is None else n for n in column["values"]]
    return column["base"] + column["step"] * np.array(values)


@pytest.mark.parametrize("error", [None, 0.3])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_numbers_are_as_exact_as_their_errors_and_differences_deserve(made, scale, error):
    values = scale * np.random.default_rng(1).normal(15800, 0.3, 30)
    error = None if error is None else scale * error
    runs = [{"baseline_ch1": Quantity(float(value), error, channel=1)} for value in values]
    (column,) = made(*runs, {"baseline_ch1": Quantity(None, problem="no pulses", channel=1)})[
        "quantities"
    ]
    found = decoded(column)[::-1]  # the runs were taken in the opposite order
    np.testing.assert_allclose(found[:-1], values, atol=0.02 * scale)
    assert np.isnan(found[-1])
    assert max(n for n in column["values"] if n is not None) < 10_000
    assert column["kind"] == "baseline"
    assert column["reasons"] == [("no pulses", 1)]


def test_an_absurd_value_does_not_hide_the_others(made):
    absurd, usual = ({"x": Quantity(value, 0.1)} for value in (1e308, 1.0))
    (column,) = made(absurd, usual, usual)["quantities"]
    assert np.isfinite(decoded(column)).sum() >= 2


def test_equal_values_and_a_single_run_have_a_step(made):
    columns = made({"live": Quantity(1.0), "none": Quantity(0.0), "word": Quantity("x")})[
        "quantities"
    ]
    found = {column["name"]: decoded(column) for column in columns}
    assert found["live"] == 1.0
    assert found["none"] == 0.0
    assert np.isnan(found["word"])


def test_runs_are_in_order_of_time(made):
    assert made({}, {}, {})["runs"] == [3, 2, 1]


def test_the_band_is_what_the_newest_run_was_judged_by(made):
    values = np.random.default_rng(2).normal(20, 0.5, 31)
    made(*({"event_rate": Quantity(float(value), 0.1)} for value in values))
    references = tuple(f"{number:06d}" for number in range(1, 31))
    odd = Deviation("event_rate", 30.0, 20.0, float("inf"), float("inf"), "000031", 30.0)
    common = {"n_judged": 1, "time": "now", "reference": "", "known": (), "detector": "xams"}
    common |= {"mode": "m", "start": 0, "end": 1}
    health.write(
        Health(
            "000031", verdict=Verdict.ODD, odd=(odd,), references=references, limit=4.5, **common
        )
    )
    health.write(
        Health("000030", verdict=Verdict.UNKNOWN, odd=(), references=(), limit=None, **common)
    )
    found = made()
    usual = found["usual"][0][0]["event_rate"]
    assert usual["center"] == pytest.approx(np.median(values[:30]))
    assert usual["spread"] == pytest.approx(0.5, rel=0.3)
    assert usual["limit"] == comparison.limit(1, 30)
    (deviation,) = found["odd"][found["runs"].index(31)]
    assert (deviation["value"], deviation["deviation"]) == (30.0, None)
    json.dumps(found, allow_nan=False)


def test_no_text_ends_the_element_that_holds_the_data():
    text = "</script><!-- & \u2028"
    embedded = html_page.embedded({"a": text})
    assert not {"<", ">", "&", "\u2028"} & set(embedded)
    assert json.loads(embedded) == {"a": text}
