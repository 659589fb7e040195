import json
from pathlib import Path
from typing import Any

import pytest

from live_records import THREAD, pulses, write_run
from xamsflow import cli
from xamsflow.redax import rundoc

RUN = "000007"


@pytest.fixture
def live_data(tmp_path: Path) -> Path:
    """Return a folder with a good run of the usual chunks, and its document beside it."""
    document = write_run(tmp_path / "live", pulses(1000, 5000))
    document["daq_config"] |= {"strax_chunk_length": 5, "strax_chunk_overlap": 0.5}
    (tmp_path / "rundoc.json").write_text(json.dumps(rundoc.to_json(document)))
    return tmp_path / "live"


def verify(live_data: Path, *more: str, rundoc: bool = True) -> int:
    document = ("--rundoc", str(live_data.parent / "rundoc.json")) if rundoc else ()
    place = ("--directory", str(live_data.parent), "--live-data", str(live_data))
    return cli.main(["verify", "7", *place, "--detector", "xamsl", *document, *more])


def test_good_run(live_data: Path, capsys: Any) -> None:
    assert verify(live_data) == 0
    assert "000007 CLEAN: 1 chunks, 4 records" in capsys.readouterr().out
    assert sorted(path.name for path in live_data.parent.iterdir()) == ["live", "rundoc.json"]


def test_rejected_run(live_data: Path, capsys: Any) -> None:
    (live_data / RUN / "THE_END" / THREAD).unlink()
    assert verify(live_data) == 1
    out = capsys.readouterr().out
    assert "000007 REJECT" in out
    assert "T11" in out


def test_degraded_run_as_json(live_data: Path, capsys: Any) -> None:
    (live_data / RUN / "000000_pre").mkdir()
    data = (live_data / RUN / "000000" / THREAD).read_bytes()
    (live_data / RUN / "000000_pre" / THREAD).write_bytes(data)
    assert verify(live_data, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["run_id"], found["verdict"]) == (RUN, "degraded")
    assert [one["rule"] for one in found["findings"]] == ["T18"]
    assert found["findings"][0]["lost_records"] == 4


def test_without_run_document_and_database(live_data: Path, capsys: Any) -> None:
    settings = live_data.parent / "site.yaml"
    settings.write_text("rundb: {uri: 'mongodb://127.0.0.1:9'}\n")
    assert verify(live_data, "--configfile", str(settings), rundoc=False) == 0
    said = capsys.readouterr()
    assert "no_run_document" in said.out
    assert "without the run document" in said.err


def test_changed_since_the_transfer(live_data: Path, capsys: Any) -> None:
    files = [
        {"path": str(path.relative_to(live_data / RUN)), "size": 1, "sha256": "0" * 64}
        for path in sorted((live_data / RUN).glob("THE_END/*"))
    ]
    document = json.loads((live_data.parent / "rundoc.json").read_text())
    receipt = {
        "run_id": RUN,
        "destination": str(live_data / RUN),
        "bytes": len(files),
        "compared": "sha256",
        "files": files,
        "run_document": document,
    }
    results = live_data.parent / "results" / RUN
    results.mkdir(parents=True)
    (results / "transfer.json").write_text(json.dumps(receipt))
    assert verify(live_data, rundoc=False) == 1
    out = capsys.readouterr().out
    assert "has changed since the transfer" in out
    assert "is new since the transfer" in out


@pytest.mark.parametrize("keys", [(), ("destination",), ("destination", "run_document")])
def test_an_incomplete_transfer_receipt_counts_as_missing(
    keys: tuple[str, ...], live_data: Path, capsys: Any
) -> None:
    document = json.loads((live_data.parent / "rundoc.json").read_text())
    whole = {"destination": str(live_data / RUN), "run_document": document}
    receipt = {key: whole[key] for key in keys}
    results = live_data.parent / "results" / RUN
    results.mkdir(parents=True)
    (results / "transfer.json").write_text(json.dumps(receipt))
    assert verify(live_data) == 0
    assert "000007 CLEAN" in capsys.readouterr().out


def test_no_such_run(live_data: Path, capsys: Any) -> None:
    (live_data / RUN).rename(live_data / "000008")
    assert verify(live_data) == 1
    assert "no live data at" in capsys.readouterr().err


def test_document_of_another_run(live_data: Path, capsys: Any) -> None:
    path = live_data.parent / "rundoc.json"
    document = json.loads(path.read_text())
    document["number"] = {"$numberInt": "8"}
    path.write_text(json.dumps(document))
    assert verify(live_data) == 1
    assert "is the document of run 8, not 000007" in capsys.readouterr().err
