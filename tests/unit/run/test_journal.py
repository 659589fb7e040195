import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xamsflow import rundb
from xamsflow.base.errors import FailureClass
from xamsflow.run import journal
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.run.publish import Done
from xamsflow.settings import config
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


def keep(outcome: str) -> dict[str, Any]:
    """Keep an outcome and return the entry."""
    if outcome == "done":
        journal.keep_done(CLAIM, Done([], {}, {}), config.load())
    else:
        failure = Failure("no space left", FailureClass.RESOURCES)
        job = FailedJob("process", "000007", Path("a.log"), failure)
        journal.keep_failure(CLAIM, job, config.load())
    entry: dict[str, Any] = json.loads(layout.journal_file(7, 1).read_text())
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
    file = layout.journal_file(7, 1)
    file.write_text(json.dumps(entry))
    assert not journal.keeps(7, CLAIM.owner)
    settings = config.load([address])
    with rundb.open_database(settings.rundb) as database:
        assert journal.publish(database, settings) == {}
    assert "left aside" in caplog.text
    assert file.exists()
