"""Which short runs share a batch job."""

import pytest

from xamsflow.batch import submissions
from xamsflow.batch.request import Request
from xamsflow.redax import rundoc
from xamsflow.run import packing
from xamsflow.settings import detector
from xamsflow.simulate import SimulatedRun, simulate
from xamsflow.state import layout, receipts


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_short_runs_share_batch_jobs_up_to_a_total_time():
    runs = {f"{number:06d}": 990.0 for number in range(7)}  # 100 s each
    packed = packing.pack(runs, 0.1)
    by_pack: dict[str, list[str]] = {}
    for run, one in packed.items():
        by_pack.setdefault(one.pack, []).append(run)
    assert by_pack == {
        "runs-000000": ["000000", "000001", "000002"],
        "runs-000003": ["000003", "000004", "000005"],
    }
    assert "000006" not in packed, "it would be alone"
    assert {one.minutes for one in packed.values()} == {5}


def test_a_long_run_has_a_batch_job_of_its_own():
    packed = packing.pack({"000001": 10.0, "000002": 3600.0, "000003": 10.0}, 0.1)
    assert {run: one.pack for run, one in packed.items()} == dict.fromkeys(
        ("000001", "000003"), "runs-000001"
    )


def test_a_batch_job_has_a_limited_number_of_runs():
    packed = packing.pack({f"{number:06d}": 0.1 for number in range(120)}, 0.1)
    assert len({one.pack for one in packed.values()}) == 3
    assert min(one.minutes for one in packed.values()) == 1


def test_runs_of_a_dead_driver_stay_together():
    members = [("publish", {"run_id": run}) for run in ("000001", "000002")]
    submissions.new(Request("runs-000001", members, 1, 3000, 6))
    submissions.new(Request("run-000003", [("publish", {"run_id": "000003"})], 1, 3000, 60))
    lengths = dict.fromkeys(("000002", "000001", "000003", "000004"), 10.0)
    packed = packing.left_together(lengths, 0.1)
    assert {run: one.pack for run, one in packed.items()} == dict.fromkeys(
        ("000002", "000001"), "runs-000002"
    )


def test_the_speed_is_learned_from_receipts(tmp_path):
    assert packing.learn() == packing.UNKNOWN_SPEED
    run = SimulatedRun(number=1, detector=detector.load("xamsl"), duration=2.0, rate=1.0)
    document = rundoc.to_json(simulate(run, tmp_path))
    for number, seconds in ((1, 2.0), (2, 4.0), (3, 60.0)):
        run = f"{number:06d}"
        receipts.write(layout.transfer_receipt(run), {"run_document": document, "duration_s": 1.0})
        made = {"wall_time_s": seconds - 1.0, "already_stored": False}
        receipts.write(layout.data_type_receipt(run, "records"), made)
    receipts.write(layout.transfer_receipt("000004"), {"run_document": None})
    assert packing.learn() == pytest.approx(4.0 / 2.0, rel=0.1)
