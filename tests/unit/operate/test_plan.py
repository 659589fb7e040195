"""What the plan learns from the receipts of earlier runs."""

import pytest

from xamsflow.operate import plan
from xamsflow.state import layout, receipts


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def processed(number, **made):
    """Leave the receipts of a run of 100 bytes, copied in 2 s and processed in 5 s."""
    run = layout.run_id(number)
    transferred = {"bytes": 100, "copied_bytes": 100, "duration_s": 2.0}
    receipts.write(layout.transfer_receipt(run), transferred)
    usual = {"already_stored": False, "wall_time_s": 5.0, "stored": {"peaks": {"bytes": 20}}}
    receipts.write(layout.data_type_receipt(run, "peaks"), usual | made)


def test_the_medians_of_runs_that_were_made():
    for number, wall_time_s in enumerate((5.0, 5.0, 50.0)):
        processed(number, wall_time_s=wall_time_s)
    processed(3, already_stored=True)
    assert plan.learn() == plan.Experience(50.0, {"peaks": 20.0}, {"peaks": 0.2}, n_runs=4)


@pytest.mark.parametrize(
    "odd",
    [{"stored": None}, {"stored": {"peaks": None}}, {"stored": {"peaks": {}}},
     {"stored": {"peaks": {"bytes": "5"}}}, {"wall_time_s": "5"}],
)  # fmt: skip
def test_an_odd_receipt_teaches_nothing(odd):
    processed(1)
    processed(2, **odd)
    assert plan.learn() == plan.Experience(50.0, {"peaks": 20.0}, {"peaks": 0.2}, n_runs=1)
