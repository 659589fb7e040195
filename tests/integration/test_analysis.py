"""The table of runs, from a real run database."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from bson import Code, Int64

import xamsflow
from xamsflow import rundb
from xamsflow.base.errors import TransientError
from xamsflow.rundb import run_rows
from xamsflow.settings import config

START = datetime(2026, 1, 5, 12, tzinfo=UTC)

DOCUMENTS = [
    {
        "number": 1,
        "mode": "bg_Cs137",
        "source": "Cs137",
        "user": "ada",
        "tags": [{"name": "good", "user": "ada", "date": START}, "by-hand"],
        "comments": [{"comment": "HV tripped"}],
        "start": START,
        "end": START + timedelta(seconds=90, milliseconds=5),
        "processing_status": "done",
        "processing": {"quality": {"verdict": "clean"}},
    },
    {"number": 2.0, "processing_status": {"status": "failed", "reason": "no gains"}},
    {"number": Int64(3), "processing_status": "failed", "processing": {"reason": "damaged"}},
    {"number": 4, "mode": ["a"], "source": {"b": 1}, "user": Code("x"), "tags": "plain"},
    {"number": 5, "tags": {"name": "one"}, "comments": 3, "start": "yesterday", "end": 5},
    {"number": 6, "processing_status": 17, "processing": "gone", "start": datetime.max},
    {"number": 7, "tags": [None, 3, {"user": "x"}], "comments": [{"comment": 3}, None]},
    {"number": "8"},
    {"mode": "no number"},
]


@pytest.fixture
def opened(make_site):
    site = make_site()
    site.collection.insert_many(json_free(DOCUMENTS))
    opened = xamsflow.open(site.configfile, directory=site.work)
    yield site, opened
    opened.close()


def json_free(documents):
    return [dict(document) for document in documents]


def test_runs_of_the_run_database(opened):
    _, site = opened
    runs = site.runs().set_index("number")
    assert list(runs.index) == [7, 6, 5, 4, 3, 2, 1]
    assert list(runs["status"]) == ["", "unknown", "", "", "failed", "failed", "done"]
    assert list(runs["reason"][[3, 1]]) == ["damaged", ""]
    assert runs["length_s"][1] == pytest.approx(90.005)
    assert runs["start"][[4, 5, 7]].isna().all()
    assert list(runs["tags"]) == [(), (), ("one",), ("plain",), (), (), ("good", "by-hand")]
    assert list(site.runs("1-3", status="failed")["run_id"]) == ["000003", "000002"]
    assert list(site.runs(tags="good", mode="*Cs*", quality="clean")["number"]) == [1]


def test_the_server_reduces_a_document_as_we_do(opened):
    made, _ = opened
    with rundb.open_database(config.load([made.configfile]).rundb) as database:
        by_server = database.columns()
        documents = [
            {**database.get(number), "number": number} for number in by_server["number"].tolist()
        ]
    here = run_rows.columns([run_rows.of_document(document) for document in documents])
    assert here.keys() == by_server.keys()
    assert all(list(here[name]) == list(by_server[name]) for name in here)


def test_without_the_run_database_the_disk_is_used(tmp_path):
    settings = tmp_path / "site.yaml"
    address = {"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"}
    settings.write_text(json.dumps({"rundb": address}))
    site = xamsflow.open(settings, directory=tmp_path)
    with pytest.warns(UserWarning, match="does not respond.*The runs on disk are used"):
        assert site.runs().empty
    assert site.runs().empty  # and is not asked again for a while
    with pytest.raises(TransientError, match="does not respond"):
        xamsflow.open(settings, directory=tmp_path, run_database=True).runs()
