import shutil

import pytest

from xamsflow import layout, receipts
from xamsflow.errors import BadDataError
from xamsflow.publish import data_entries, receipts_on_disk


def facts(path, lineage_hash="abc", n_items=7):
    path.mkdir(parents=True, exist_ok=True)
    for chunk in range(2):
        (path / f"{chunk:06d}").write_bytes(bytes(1_250_000))
    (path / "metadata.json").write_text("{}")
    return {
        "lineage_hash": lineage_hash,
        "path": str(path),
        "n_items": n_items,
        "n_chunks": 2,
        "bytes": 2_500_000,
        "start": 1,
        "end": 2,
        "lineage": {"records": ["Records", "1.0.0", {}]},
    }


@pytest.fixture
def transferred(tmp_path):
    (tmp_path / "live" / "000932").mkdir(parents=True)
    destination = tmp_path / "live" / "000932"
    (destination / "file").write_bytes(bytes(7_500_000))
    files = [{"path": "file", "size": 7_500_000}]
    return {
        "run_id": "000932",
        "destination": str(destination),
        "bytes": 7_500_000,
        "files": files,
    }


@pytest.fixture
def made(tmp_path):
    stored = {
        "raw_records_v1730": facts(tmp_path / "000932-raw_records_v1730-abc"),
        "records": facts(tmp_path / "000932-records-def", "def"),
    }
    return {"run_id": "000932", "stored": stored}


def test_one_entry_per_stored_data_type_and_one_for_the_live_data(tmp_path, transferred, made):
    live, raw, records = data_entries(transferred, [made], host="stbc")
    assert (live["type"], live["host"]) == ("live", "stbc")
    assert live["location"] == str(tmp_path / "live")
    assert live["size_mb"] == 7.5
    assert raw["type"] == "raw_records_v1730"
    assert raw["location"] == made["stored"]["raw_records_v1730"]["path"]
    assert records["meta"]["lineage"] == made["stored"]["records"]["lineage"]
    assert (records["lineage_hash"], records["n_chunks"], records["n_items"]) == ("def", 2, 7)
    assert records["size_mb"] == 2.5
    assert records["time"].tzinfo is not None


def test_a_data_type_that_two_receipts_tell_of_is_entered_once(transferred, made):
    entries = data_entries(transferred, [made, made], host="stbc")
    assert [entry["type"] for entry in entries] == ["live", "raw_records_v1730", "records"]


def test_a_receipt_whose_data_are_gone_is_not_believed(tmp_path, transferred, made):
    shutil.rmtree(tmp_path / "000932-records-def")
    with pytest.raises(BadDataError, match="000932-records-def is gone"):
        data_entries(transferred, [made], host="stbc")


@pytest.mark.parametrize(
    "file", ["live/000932/file", "000932-records-def/000001", "000932-raw_records_v1730-abc/000000"]
)
def test_a_receipt_whose_data_have_changed_is_not_believed(tmp_path, transferred, made, file):
    (tmp_path / file).write_bytes(b"short")
    with pytest.raises(BadDataError, match="its receipt says"):
        data_entries(transferred, [made], host="stbc")


def test_of_a_failed_run_what_is_certain_is_found(tmp_path, monkeypatch, transferred, made):
    monkeypatch.chdir(tmp_path)
    assert receipts_on_disk("000932") == (None, [])
    receipts.write(layout.transfer_receipt("000932"), transferred)
    receipts.write(layout.data_type_receipt("000932", "records"), made)
    receipts.write(layout.claim_file("000932"), {"number": 932, "owner": "x", "attempt": 1})
    receipts.write(layout.rundoc_receipt("000932"), {"run_id": "000932", "data": []})
    layout.data_type_receipt("000932", "broken").write_text("{")
    assert receipts_on_disk("000932") == (transferred, [made])
    # Data that are gone are not registered.
    shutil.rmtree(tmp_path / "000932-records-def")
    assert receipts_on_disk("000932") == (transferred, [])
