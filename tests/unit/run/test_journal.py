import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from xamsflow import rundb
from xamsflow.base.errors import FailureClass, XamsflowError
from xamsflow.run import journal
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.run.publish import Done
from xamsflow.rundb import RunDatabase
from xamsflow.settings import config
from xamsflow.settings.config import Config
from xamsflow.simulate import embedded_mongod
from xamsflow.state import layout
from xamsflow.state.claims import Claim

CLAIM = Claim(7, "shift@host:1", 1)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a configuration with the address of a run database."""
    folder = tmp_path_factory.mktemp("rundb")
    with embedded_mongod.running(folder / "mongod") as mongod:
        file = folder / "site.yaml"
        file.write_text(f"rundb: {{uri: '{mongod.uri}'}}\n")
        yield file


def claimed(database: RunDatabase, number: int) -> Claim:
    """Insert a pending run and claim it."""
    database.insert({"number": number, "processing_status": "pending"})
    claim = database.claim_any(number, CLAIM.owner, ["events"])
    assert claim is not None
    return claim


def kept_file() -> Path:
    """Return the only file in the journal."""
    (file,) = layout.JOURNAL.glob("000007.1.*.json")
    return file


def keep_failure(claim: Claim, settings: Config, reason: str = "no space left") -> None:
    """Keep that processing a claimed run has failed."""
    failure = Failure(reason, FailureClass.RESOURCES)
    job = FailedJob("process", layout.run_id(claim.number), Path("a.log"), failure)
    journal.keep_failure(claim, job, settings)


def keep(outcome: str) -> dict[str, Any]:
    """Keep an outcome and return the entry."""
    if outcome == "done":
        journal.keep_done(CLAIM, Done([], {}, {}), config.load())
    else:
        keep_failure(CLAIM, config.load())
    entry: dict[str, Any] = json.loads(kept_file().read_text())
    return entry


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_what_was_kept_is_found(outcome: str) -> None:
    keep(outcome)
    assert journal.keeps(7, CLAIM.owner)
    assert not journal.keeps(7, "another@host:1")
    assert not journal.keeps(8, CLAIM.owner)


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": {}},
        {"claim": []},
        {"claim": None},
        {"claim": {"number": 7, "owner": "me", "attempt": 1, "shortages": 0, "more": 1}},
        {"claim": {"number": -7, "owner": "me", "attempt": 1, "shortages": 0}},
        {"claim": {"number": 7, "owner": 5, "attempt": 1, "shortages": 0}},
        {"about": {}},
        {"about": []},
        {"outcome": "perhaps"},
        {"outcome": None},
    ],
)
@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_an_entry_of_another_shape_is_left_aside_and_stays(
    outcome: str, changes: dict[str, Any], address: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = keep(outcome) | changes
    file = kept_file()
    file.write_text(json.dumps(entry))
    assert not journal.keeps(7, CLAIM.owner)
    settings = config.load([address])
    with rundb.open_database(settings.rundb) as database:
        assert journal.publish(database, settings) == {}
    assert "ignored" in caplog.text
    assert file.exists()


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_an_outcome_goes_only_to_the_server_that_it_is_for(
    outcome: str, address: Path, tmp_path: Path
) -> None:
    """The same folder, collection and run number on a test server, then on the right one."""
    settings, number = config.load([address]), {"done": 9, "failed": 10}[outcome]
    with embedded_mongod.running(tmp_path / "other") as mongod:
        file = tmp_path / "other.yaml"
        file.write_text(f"rundb: {{uri: '{mongod.uri}', database: {settings.rundb.database}}}\n")
        other = config.load([file])
        with rundb.open_database(settings.rundb) as database:
            claim = claimed(database, number)
            if outcome == "done":
                journal.keep_done(claim, Done([{"type": "events"}], {}, {}), settings)
            else:
                keep_failure(claim, settings)
            with rundb.open_database(other.rundb) as wrong:
                wrong.insert({"number": number, "processing_status": "pending"})
                assert journal.publish(wrong, other) == {}
                assert wrong.get(number).keys() == {"_id", "number", "processing_status"}
            assert journal.publish(database, settings) == {f"{number:06d}": outcome}
            assert database.get(number)["processing_status"] == outcome
    assert not list(layout.JOURNAL.iterdir())


def test_an_outcome_of_a_run_that_is_another_s_by_now_writes_nothing_and_is_kept(
    address: Path, tmp_path: Path
) -> None:
    settings = config.load([address])
    with rundb.open_database(settings.rundb) as database:
        database.insert({"number": 8, "processing_status": "pending"})
        journal.keep_done(Claim(8, "me", 1), Done([{"type": "events"}], {}, {}), settings)
        assert journal.publish(database, settings) == {}
        assert "data" not in database.get(8)
    (kept,) = layout.JOURNAL.iterdir()
    assert kept.name.endswith(".json.refused")


def test_a_failure_that_another_process_has_just_published_is_no_other_s(address: Path) -> None:
    settings = config.load([address])
    with rundb.open_database(settings.rundb) as database:
        claim = claimed(database, 11)
        keep_failure(claim, settings)
        (file,) = layout.JOURNAL.iterdir()
        entry = file.read_bytes()
        assert journal.publish(database, settings) == {"000011": "failed"}
        published = database.get(11)
        file.write_bytes(entry)  # the other process has not removed it yet
        assert journal.publish(database, settings) == {"000011": "failed"}
        assert database.get(11) == published
    assert not list(layout.JOURNAL.iterdir())


def test_what_lies_in_the_journal_by_mistake_stops_no_other_run(address: Path) -> None:
    settings = config.load([address])
    journal.keep_done(CLAIM, Done([], {}, {}), settings)
    (layout.JOURNAL / "000001.1.json").mkdir()
    (layout.JOURNAL / "000002.1.json").write_text('{"a":' * 100_000)
    (layout.JOURNAL / "000003.1.json").symlink_to("000003.1.json")
    assert journal.keeps(7, CLAIM.owner)
    with rundb.open_database(settings.rundb) as database:
        claimed(database, 7)
        assert journal.publish(database, settings) == {"000007": "done"}


def test_an_outcome_that_no_longer_fits_into_its_document_is_named(address: Path) -> None:
    settings = config.load([address])
    with rundb.open_database(settings.rundb) as database:
        claim = claimed(database, 17)
        keep_failure(claim, settings, "no space left" * 5000)
        size = 2**24 - 20_000
        with pymongo.MongoClient[dict[str, Any]](settings.rundb.uri) as client:
            runs = client[settings.rundb.database][settings.rundb.collection]
            runs.update_one({"number": 17}, {"$set": {"comments": "x" * size}})
        refused: dict[str, XamsflowError] = {}
        assert journal.publish(database, settings, refused.__setitem__) == {}
    assert "would be larger than MongoDB's 16 MB" in str(refused["000017"])
    assert len(list(layout.JOURNAL.glob("000017.1.*.json"))) == 1
