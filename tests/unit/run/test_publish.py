import json
import shutil

import pytest

from xamsflow.base.errors import BadDataError
from xamsflow.run.publish import data_entries, receipts_on_disk
from xamsflow.state import layout, receipts, strax_folder


def facts(path, lineage_hash="abc", n_items=7):
    """Make a folder as strax stores it, and return what a receipt says about it."""
    path.mkdir(parents=True, exist_ok=True)
    prefix = path.name.partition("-")[2]
    chunks = [
        {"chunk_i": 0, "n": n_items, "start": 1, "end": 2, "filename": "0", "filesize": 2_500_000},
        {"chunk_i": 1, "n": 0, "start": 2, "end": 3},
    ]
    (path / "0").write_bytes(bytes(2_500_000))
    metadata = {"lineage_hash": lineage_hash, "lineage": {"records": ["Records", "1.0.0", {}]}}
    metadata |= {"chunks": chunks, "writing_ended": 9.0, "start": 1, "end": 3}
    (path / f"{prefix}-metadata.json").write_text(json.dumps(metadata))
    found = strax_folder.check(path)
    del found["quality"]
    return found


@pytest.fixture
def transferred(tmp_path):
    (tmp_path / "live" / "000932").mkdir(parents=True)
    destination = tmp_path / "live" / "000932"
    (destination / "file").write_bytes(bytes(7_500_000))
    return {
        "run_id": "000932",
        "destination": str(destination),
        "bytes": 7_500_000,
        "compared": "checksums",
        "files": [{"path": "file", "size": 7_500_000, "sha256": "0" * 64}],
        "run_document": {},
    }


@pytest.fixture
def made(tmp_path):
    stored = {
        "raw_records_v1730": facts(tmp_path / "000932-raw_records_v1730-abc"),
        "records": facts(tmp_path / "000932-records-def", "def"),
    }
    about = {"run_id": "000932", "data_type": "records", "quality": {}, "versions": {}}
    return {**about, **stored["records"], "stored": stored}


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
    with pytest.raises(BadDataError, match="000932-records-def is missing"):
        data_entries(transferred, [made], host="stbc")


def test_a_receipt_whose_live_data_have_changed_is_not_believed(tmp_path, transferred, made):
    file = tmp_path / "live" / "000932" / "file"
    file.write_bytes(b"short")
    with pytest.raises(BadDataError, match="has 5 bytes, but its receipt says 7500000"):
        data_entries(transferred, [made], host="stbc")
    file.unlink()
    with pytest.raises(BadDataError, match=r"file is missing, but .*`xamsflow retransfer 932`"):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "0").write_bytes(b"short"), "has 5 bytes"),
        (lambda folder: (folder / "0").unlink(), "0 is missing"),
        (
            lambda folder: (folder / "records-def-metadata.json").write_text("{"),
            "is not valid JSON",
        ),
        (
            lambda folder: (folder / "records-def-metadata.json").write_text("[]"),
            "is not a JSON obj",
        ),
        (
            lambda folder: (folder / "records-def-metadata.json").write_text("{}"),
            "were not written by strax",
        ),
        (lambda folder: (folder / "records-def-metadata.json").unlink(), "json is missing"),
    ],
)
def test_stored_data_of_other_size_are_not_published(change, message, tmp_path, made):
    change(tmp_path / "000932-records-def")
    with pytest.raises(BadDataError, match=message):
        data_entries(None, [made], host="stbc")


def test_data_that_are_not_those_of_the_receipt_are_not_published(tmp_path, made):
    facts(tmp_path / "000932-records-def", "def", n_items=8)
    with pytest.raises(BadDataError, match="has n_items 8, but its receipt says 7"):
        data_entries(None, [made], host="stbc")
