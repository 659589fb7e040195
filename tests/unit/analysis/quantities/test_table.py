import json

import numpy as np
import pandas as pd
import pytest

from xamsflow.analysis.quantities.table import table
from xamsflow.state import layout, quantities
from xamsflow.state.quantities import Quantities, Quantity


def runs(*names: str) -> pd.DataFrame:
    about = {name: [None] * len(names) for name in ("start", "end", "mode", "tags", "comments")}
    return pd.DataFrame({"run_id": names, "status": "done"} | about)


@pytest.fixture(autouse=True)
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = {
        "000001": {"rate": Quantity(2.0, 0.1), "verdict": Quantity("good")},
        "000002": {"rate": Quantity(None, problem="no events"), "verdict": Quantity(3)},
        "000003": {"other": Quantity(1.0)},
    }
    for run, values in contents.items():
        quantities.write(Quantities(run, "xams", "m", 0, 1, "now", {}, values))


def test_a_column_for_each_quantity_that_one_of_the_runs_has():
    found = table(runs("000009", "000002", "000001"), problems=True)
    assert list(found["run_id"]) == ["000009", "000002", "000001"]
    assert list(found.columns[6:]) == [
        *("rate", "rate_error", "rate_problem"),
        *("verdict", "verdict_problem"),
    ]
    np.testing.assert_array_equal(found["rate"], [np.nan, np.nan, 2.0])
    np.testing.assert_array_equal(found["rate_error"], [np.nan, np.nan, 0.1])
    assert list(found["rate_problem"]) == ["", "no events", ""]
    assert list(found["verdict"][1:]) == [3.0, "good"]
    assert found["verdict"].dtype == object


def test_a_damaged_file_is_named():
    layout.quantities("000001").write_text(json.dumps({"version": 0}))
    with pytest.warns(UserWarning, match="000001"):
        found = table(runs("000001", "000003"))
    np.testing.assert_array_equal(found["other"], [np.nan, 1.0])


def test_no_runs_make_an_empty_table():
    assert len(table(runs())) == 0
