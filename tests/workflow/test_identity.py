"""No run's data under another run's name, through the real workflow."""

import json
from pathlib import Path
from typing import Any

import pymongo
import pytest

from site_for_tests import Site

RUN = "000901"
RESULTS = Path("results") / RUN


class Gas(Site):
    """The same site with its other collection, whose runs are numbered from the start, too."""

    @property
    def daq(self) -> Path:
        return self.folder / "daq_gas"

    @property
    def configfile(self) -> Path:
        return self.folder / "gas.yaml"

    @property
    def collection(self) -> pymongo.collection.Collection[dict[str, Any]]:
        return super().collection.database["runs_gas"]


class GasElsewhere(Gas):
    """It has its own working folder."""

    @property
    def work(self) -> Path:
        return self.folder / "work_gas"


@pytest.fixture
def first(site: Site) -> Site:
    """A site that has processed run 901 of its collection."""
    site.add_run(901)
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    return site


def gas(site: Site, kind: type[Gas] = Gas, **settings: Any) -> Gas:
    settings = {"rundb": {"collection": "runs_gas"}} | settings
    made = kind(site.folder, site.uri, site.database, settings)
    made.add_run(901, duration=2.0)
    return made


def refused(site: Site, number: int = 901) -> str:
    """Return the reason in the run document; data stored by another run are not registered."""
    document = site.document(number)
    assert document["processing_status"] == "failed"
    assert document["processing"]["failure"] == "configuration"
    assert [entry["type"] for entry in document["data"]] == ["live"]
    reason = document["processing"]["reason"]
    assert len(reason.splitlines()) == 1
    return str(reason)


def move_away(site: Site) -> None:
    """Do what the reason says: nothing of the run is left here."""
    away = site.folder / "away"
    for folder in (
        site.work / "results",
        site.work / "data/live_data",
        site.work / "data/processed",
    ):
        for path in folder.glob(f"{RUN}*"):
            (away / folder.name).mkdir(parents=True, exist_ok=True)
            path.rename(away / folder.name / path.name)


def replace_run(site: Site) -> None:
    """Make the DAQ take another run with the same number."""
    site.collection.delete_one({"number": 901})
    (site.daq / RUN).rename(site.folder / "replaced")
    site.add_run(901, duration=2.0)


def test_two_collections_in_one_working_folder(first: Site) -> None:
    before = first.document(901)
    other = gas(first)
    other.add_run(902)

    said = other.snakemake()

    assert said.returncode == 1
    reason = refused(other)
    assert f"{RESULTS}/transfer.json belongs to another run {RUN}: its collection is" in reason
    assert "runs_new" in reason and "runs_gas" in reason
    assert "its own working directory and storage" in reason
    assert reason in said.stdout
    assert other.status(902) == "done", said.stdout
    assert first.document(901) == before

    compared = other.verb("reconcile", RUN)
    assert compared.returncode == 1
    assert "another run" in compared.stdout

    move_away(other)
    other.verb("retry", "901", "--yes")
    said = other.snakemake()
    assert other.status(901) == "done", said.stdout
    assert other.verb("reconcile").stdout == ""


def test_process_does_not_begin_with_another_run(first: Site) -> None:
    """When data types are requested that do not exist yet."""
    other = gas(first, targets=["peaks"])

    said = other.snakemake()

    assert said.returncode == 1
    assert "belongs to another run" in refused(other)
    assert other.document(901)["processing"]["stage"] == "process"
    assert not list((other.work / "data/processed").glob(f"{RUN}-peaks*"))


def test_a_run_document_replaced_by_another_of_the_same_number(first: Site) -> None:
    replace_run(first)

    assert first.snakemake().returncode == 1
    assert "its document _id is " in refused(first)

    move_away(first)
    first.verb("retry", "901", "--yes")
    assert first.snakemake().returncode == 0
    assert first.status(901) == "done"


def test_receipts_of_earlier_versions_count_for_their_run_document(first: Site) -> None:
    """They contain it, and do not name a collection."""
    receipt = first.work / RESULTS / "transfer.json"
    content = json.loads(receipt.read_text())
    del content["identity"]
    receipt.write_text(json.dumps(content))
    for made in first.work.glob(f"data/*/.runs/{RUN}.json"):
        made.unlink()
    first.collection.update_one({"number": 901}, {"$set": {"processing_status": "pending"}})

    assert first.snakemake().returncode == 0
    assert first.status(901) == "done"

    replace_run(first)
    assert first.snakemake().returncode == 1
    assert "its document _id is " in refused(first)


def test_two_collections_with_one_storage(first: Site) -> None:
    """Each has its own working folder, so that no receipt shows the conflict."""
    storage = {name: str(first.work / "data" / name) for name in ("live_data", "processed")}
    other = gas(first, GasElsewhere, storage=storage)
    assert other.snakemake().returncode == 1
    reason = refused(other)
    assert f"{storage['live_data']} has data of another run {RUN}: its collection is " in reason

    apart = str(first.folder / "live_data_gas")
    other.configure(storage=storage | {"live_data": apart})
    other.verb("retry", "901", "--yes")
    assert other.snakemake().returncode == 1
    document = other.document(901)
    assert document["processing_status"] == "failed"
    assert f"{storage['processed']} has data of another run" in document["processing"]["reason"]
    assert {entry["type"] for entry in document["data"]} == {"live"}
