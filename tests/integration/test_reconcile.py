"""Each disagreement, made on runs that were really processed, and then repaired."""

import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest

from servers.mongod import with_rival
from site_for_tests import Site
from xamsflow import rundb
from xamsflow.batch import submissions
from xamsflow.batch.request import Request
from xamsflow.cli import main
from xamsflow.data.processing import process_run
from xamsflow.operate.reconcile import Outcome, Sources, reconcile
from xamsflow.run import publish
from xamsflow.settings import config, detector
from xamsflow.simulate.embedded_mongod import MongoServer
from xamsflow.state import claims, layout, lineages, lock, owner, receipts
from xamsflow.state.claims import Claim, Order
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import transfer_run

pytestmark = pytest.mark.xdist_group("reconcile")  # its tests share costly fixtures

RUNS = (931, 932)
RUN = "000932"
RAW, TARGET = "raw_records_v1730", "records"


class Processed:
    """A site with runs that are done; `restore` returns it to that state."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.processed = site.work / "data" / "processed"
        self.live = site.work / "data" / "live_data"
        for number in RUNS:
            site.add_run(number)
            process(site, number)
        self._documents = site.all_documents()
        self._pristine = site.folder.with_name("pristine")
        shutil.copytree(site.folder, self._pristine)

    def restore(self) -> None:
        shutil.rmtree(self.site.folder)
        shutil.copytree(self._pristine, self.site.folder)
        self.site.collection.delete_many({})
        self.site.collection.insert_many(self._documents)

    def folder(self, data_type: str) -> Path:
        (found,) = self.processed.glob(f"{RUN}-{data_type}-*")
        return found

    def update(self, **fields: Any) -> None:
        self.site.collection.update_one({"number": 932}, {"$set": fields})

    def document(self) -> dict[str, Any]:
        return self.site.document(932)

    def registered(self) -> list[str]:
        return [entry["type"] for entry in self.document()["data"]]

    def content(self) -> dict[str, int]:
        """Return how often the content of each data file exists, wherever it is."""
        found: dict[str, int] = {}
        for folder in (self.live, self.processed, self.site.daq):
            for path in folder.rglob("*"):
                # What lies directly in the folder of strax data is copied from the run document.
                copied = path.parent == self.processed
                if path.is_file() and path.parent.name != ".runs" and not copied:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    found[digest] = found.get(digest, 0) + 1
        return found


def process(site: Site, number: int) -> None:
    """Transfer, process and publish a run, as the jobs do."""
    settings = config.load([site.configfile])
    run = layout.run_id(number)
    with rundb.open_database(settings.rundb) as database:
        claim = database.claim_any(number, str(owner.current()), settings.targets)
        document = database.get(number)
        transferred = transfer_run(document, settings.daq, settings.storage)
        receipts.write(layout.transfer_receipt(run), transferred)
        made = process_run(
            document=document,
            detector=detector.load(settings.detector),
            live_data=Path(transferred["destination"]).parent,
            processed=settings.storage.processed,
            data_type=TARGET,
        )
        receipts.write(layout.data_type_receipt(run, TARGET), made)
        publish.tell_strax(transferred, [made], settings)
        done = publish.done(transferred, [made], settings.storage.host)
        published = publish.tell_done(database, claim, done)
        assert published is not None
        receipts.write(layout.rundoc_receipt(run), published)


@pytest.fixture(scope="module")
def processed(mongod: MongoServer, tmp_path_factory: pytest.TempPathFactory) -> Processed:
    folder = tmp_path_factory.mktemp("reconcile")
    site = Site(folder / "site", mongod.uri, f"test_{folder.name}", {"targets": [TARGET]})
    with contextlib.chdir(site.work):
        return Processed(site)


@pytest.fixture
def place(processed: Processed, monkeypatch: pytest.MonkeyPatch) -> Processed:
    processed.restore()
    monkeypatch.chdir(processed.site.work)
    return processed


@pytest.fixture
def ask(
    place: Processed, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[Receipt]]]:
    """Return a function that runs the command and returns its code and what it found."""

    def call(*arguments: str) -> tuple[int, list[Receipt]]:
        capsys.readouterr()
        where = ["--directory", str(place.site.work), "--configfile", str(place.site.configfile)]
        code = main(["reconcile", "--json", *arguments, *where])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def kinds(found: list[Receipt]) -> list[str]:
    return sorted({one["kind"] for one in found})


# Damages, each with the kinds of disagreement that it leads to.

Damage = Callable[[Processed], object]

LOST = {
    "done without data",
    "receipt differs from run document",
    "receipt without its data",
    "registered, not stored",
}


def cut_strax_file(place: Processed) -> None:
    file = sorted(place.folder(TARGET).glob("*-00000*"))[0]
    file.write_bytes(file.read_bytes()[:-3])


def move_strax_folder_away(place: Processed) -> None:
    place.folder(TARGET).rename(place.processed / "tidied-up")


def move_lower_strax_folder_away(place: Processed) -> None:
    place.folder(RAW).rename(place.processed / "tidied-up-raw")


def tear_metadata(place: Processed) -> None:
    file = next(place.folder(TARGET).glob("*-metadata.json"))
    file.write_text(file.read_text()[:100])


def note_an_exception(place: Processed) -> None:
    file = next(place.folder(TARGET).glob("*-metadata.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "exception": "Killed"}))


def store_another_lineage(place: Processed) -> None:
    # As an older version of the software left it, where today's was.
    folder = place.folder(TARGET)
    old = folder.with_name(f"{RUN}-{TARGET}-aaaaaaaaaa")
    folder.rename(old)
    for file in list(old.iterdir()):
        content = file.read_bytes().replace(folder.name[-10:].encode(), b"aaaaaaaaaa")
        file.write_bytes(content)
        file.rename(old / file.name.replace(folder.name[-10:], "aaaaaaaaaa"))


def forget_receipt(place: Processed) -> None:
    layout.data_type_receipt(RUN, TARGET).unlink()


def tear_receipt(place: Processed) -> None:
    path = layout.data_type_receipt(RUN, TARGET)
    path.write_text(path.read_text()[:200])


def empty_receipt(place: Processed) -> None:
    layout.data_type_receipt(RUN, TARGET).write_text("{}")


def exchange_receipts(place: Processed) -> None:
    shutil.copy(layout.data_type_receipt("000931", TARGET), layout.data_type_receipt(RUN, TARGET))


def miscount_in_receipt(place: Processed) -> None:
    path = layout.data_type_receipt(RUN, TARGET)
    receipt = receipts.read(path)
    receipt["stored"][TARGET]["n_items"] += 1
    receipts.write(path, receipt)


def tear_transfer_receipt(place: Processed) -> None:
    layout.transfer_receipt(RUN).write_text("{")


def forget_transfer_receipt(place: Processed) -> None:
    layout.transfer_receipt(RUN).unlink()


def tear_published(place: Processed) -> None:
    layout.rundoc_receipt(RUN).write_text("[]")


def fail_in_document(place: Processed) -> None:
    place.update(processing_status="failed")


def pend_in_document(place: Processed) -> None:
    place.site.verb("pend", "--yes", "--force", "932")


def strip_data(place: Processed) -> None:
    place.update(data=(place.document()["data"] or [])[:1])


def strip_all_data(place: Processed) -> None:
    place.update(data=None)


def miscount_entry(place: Processed) -> None:
    place.update(**{"data.2.n_items": 12345678})


def enter_what_is_not_there(place: Processed) -> None:
    entry = place.document()["data"][2]
    lost = place.processed / "000932-events-zzzzzzzzzz"
    place.site.collection.update_one(
        {"number": 932}, {"$push": {"data": {**entry, "type": "events", "location": str(lost)}}}
    )


def move_live_data_away(place: Processed) -> None:
    (place.live / RUN).rename(place.live / "tidied-up")


def cut_live_data(place: Processed) -> None:
    file = sorted((place.live / RUN / "000001").iterdir())[0]
    file.write_bytes(file.read_bytes()[:-3])


def add_to_live_data(place: Processed) -> None:
    (place.live / RUN / "000001" / "reader9_0").write_text("from elsewhere")


def leave_temporary_folder(place: Processed) -> None:
    (place.processed / f"{RUN}-peaks-abcdefghij_temp").mkdir()
    (place.processed / f"{RUN}-peaks-abcdefghij_temp" / "peaks-abcdefghij-000000").write_text("x")


def die_as_driver(place: Processed, status: str = "running") -> None:
    # Of an earlier boot, and silent since.
    dead = f"elsewhere:{os.getpid()}:1:aaaaaaaa"
    place.update(processing_status=status, **{"processing.owner": dead})
    place.site.collection.update_one({"number": 932}, {"$unset": {"processing.heartbeat": ""}})
    attempt = place.document()["processing"]["attempt"]
    claims.write([Order(Claim(932, dead, attempt), (TARGET,))])


def leave_claim_file(place: Processed) -> None:
    claims.write([Order(Claim(932, "elsewhere:1:1:aaaaaaaa", 7), (TARGET,))])


def tear_claim_file(place: Processed) -> None:
    layout.claim_file(RUN).write_text("{")


def forget_run_metadata(place: Processed) -> None:
    (place.processed / f"{RUN}-metadata.json").unlink()


def tag_the_run(place: Processed) -> None:
    place.update(tags=[{"name": "good"}])


DAMAGES: dict[Damage, set[str]] = {
    cut_strax_file: LOST | {"damaged strax data", "data without receipt"},
    move_strax_folder_away: LOST | {"data without receipt"},
    move_lower_strax_folder_away: {
        "receipt without its data",
        "registered, not stored",
        "receipt differs from run document",
    },
    tear_metadata: LOST | {"damaged strax data", "data without receipt"},
    note_an_exception: LOST | {"damaged strax data", "data without receipt"},
    store_another_lineage: LOST | {"not registered", "data without receipt"},
    forget_receipt: {"data without receipt"},
    tear_receipt: {"damaged receipt", "data without receipt"},
    empty_receipt: {"damaged receipt", "data without receipt"},
    exchange_receipts: {"damaged receipt", "data without receipt"},
    miscount_in_receipt: {"receipt without its data", "data without receipt"},
    tear_transfer_receipt: {"damaged receipt", "live data without receipt"},
    forget_transfer_receipt: {"live data without receipt"},
    tear_published: {"damaged receipt"},
    fail_in_document: {"receipt differs from run document", "stored, not done"},
    pend_in_document: {"stored, not done"},
    strip_data: {"not registered"},
    strip_all_data: {"not registered"},
    miscount_entry: {"registered, not stored", "not registered"},
    enter_what_is_not_there: {"registered, not stored"},
    move_live_data_away: {
        "live data missing",
        "registered, not stored",
        "receipt differs from run document",
    },
    cut_live_data: {
        "live data changed",
        "registered, not stored",
        "receipt differs from run document",
    },
    add_to_live_data: {
        "live data changed",
        "registered, not stored",
        "receipt differs from run document",
    },
    leave_temporary_folder: {"unfinished strax data"},
    die_as_driver: {"driver dead", "orphaned claim", "stored, not done"},
    leave_claim_file: {"orphaned claim"},
    tear_claim_file: {"orphaned claim"},
    forget_run_metadata: {"run metadata"},
    tag_the_run: {"run metadata"},
}
"""With all kinds that are found during the repair, the later ones as a consequence."""


def test_what_was_processed_agrees(ask):
    assert ask() == (0, [])
    assert ask("--checksums") == (0, [])
    assert ask("--repair") == (0, [])


OTHER_TOOLS: list[dict[str, Any]] = [
    {"type": "live", "host": "stbc", "location": "/gone", "by": "bob", "time": "1"},
    {"type": TARGET, "host": "stbc", "location": "/gone", "user": "bob", "n_chunks": 3,
     "size_mb": 5.0, "lineage_hash": "zzzzzzzzzz", "amstrax_version": "2.1"},
    {"type": TARGET, "host": "stbc", "location": f"/gone/{RUN}-{TARGET}-zzzzzzzzzz",
     "protocol": "FileSytemBackend", "meta": {"lineage": {}}},
]  # fmt: skip
"""Entries of amstrax and strax, whose data are gone; none is ours to judge."""


def of_other_tools(place: Processed) -> list[dict[str, Any]]:
    return [entry for entry in place.document()["data"] or [] if entry in OTHER_TOOLS]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_repaired(damage: Damage, place: Processed, ask):
    place.update(data=[*place.document()["data"], *OTHER_TOOLS])
    damage(place)
    others = of_other_tools(place)
    files, documents, content = place.site.tree(), place.site.all_documents(), place.content()
    code, found = ask()
    assert code == 1
    assert {one["run"] for one in found} == {RUN}
    assert all(one["repaired"] is None and one["can_be_repaired"] for one in found)
    # A look writes nothing, anywhere.
    assert place.site.tree() == files
    assert place.site.all_documents() == documents
    code, repaired = ask("--repair")
    assert code == 0, repaired
    assert all(one["repaired"] for one in repaired)
    assert set(kinds(found)) <= set(kinds(repaired)) <= DAMAGES[damage]
    assert kinds(repaired) == sorted(DAMAGES[damage])
    assert ask() == (0, [])
    assert of_other_tools(place) == others
    after = place.content()
    assert all(after.get(digest, 0) >= count for digest, count in content.items())
    assert place.site.document(931) == documents[0]


@pytest.mark.parametrize("heartbeat", ["yesterday", {"n": 0}, [1, 2], float("nan"), 2**62])
def test_a_dead_driver_with_an_odd_heartbeat_loses_its_run(heartbeat, place: Processed, ask):
    die_as_driver(place)
    place.update(**{"processing.heartbeat": heartbeat})
    code, repaired = ask("--repair")
    assert code == 0, repaired
    assert "driver dead" in kinds(repaired)
    assert ask() == (0, [])


def repair_with_rival(place: Processed, command: str, act: Callable[[], object]) -> list[Outcome]:
    settings = config.load([place.site.configfile])
    with with_rival(settings.rundb, command, act) as database:
        return list(reconcile(Sources(settings, database), {RUN}, repair=True))


def test_a_driver_that_gives_a_sign_during_the_repair_keeps_its_run(place: Processed):
    die_as_driver(place)
    owner_found = place.document()["processing"]["owner"]
    long_ago = datetime.now(UTC) - timedelta(days=1)
    signs = itertools.count()

    def give_sign() -> None:  # after each look, before our change
        place.update(**{"processing.heartbeat": long_ago + timedelta(seconds=next(signs))})

    outcomes = repair_with_rival(place, "aggregate", give_sign)
    (told,) = (one for one in outcomes if one.disagreement.kind == "driver dead")
    assert told.repaired is False
    assert "somebody else changed run" in str(told.error)
    assert place.document()["processing"]["owner"] == owner_found


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (die_as_driver, "driver dead"),
        (fail_in_document, "stored, not done"),
        (move_strax_folder_away, "done without data"),
    ],
)
def test_a_repair_that_does_not_last_is_not_reported_as_one(damage, kind, place: Processed):
    damage(place)
    damaged = place.document()

    def undo() -> None:
        place.site.collection.replace_one({"number": 932}, damaged)

    outcomes = repair_with_rival(place, "findAndModify", undo)
    told = [one for one in outcomes if one.disagreement.kind == kind]
    assert told
    assert [one for one in told if one.repaired or not one.error] == []


def test_content_that_changed_is_found_by_checksum_only(place: Processed, ask):
    file = sorted((place.live / RUN / "000001").iterdir())[0]
    file.write_bytes(bytes(reversed(file.read_bytes())))
    assert ask() == (0, [])
    code, found = ask("--checksums")
    assert (code, kinds(found)) == (1, ["live data changed"])
    assert "checksum" in found[0]["what"]


def test_live_data_that_are_the_daqs_own_are_never_renamed(place: Processed, ask):
    path = layout.transfer_receipt(RUN)
    receipts.write(path, {**receipts.read(path), "compared": "in place"})
    add_to_live_data(place)
    before = place.site.tree()
    code, found = ask("--repair")
    assert (code, kinds(found)) == (1, ["live data changed"])
    assert not found[0]["can_be_repaired"]
    assert {name: place.site.tree()[name] for name in before} == before


def test_unverified_live_data_that_differ_from_the_daqs_stay_and_are_told(place: Processed, ask):
    forget_transfer_receipt(place)
    cut_live_data(place)
    code, found = ask("932", "--repair")
    assert (code, kinds(found)) == (1, ["live data without receipt"])
    assert "differs" in found[0]["error"]
    assert (place.live / RUN).is_dir()


@pytest.mark.parametrize("folder", ["live", "processed"])
def test_a_disk_that_is_not_mounted_changes_nothing(folder, place: Processed, ask):
    getattr(place, folder).rename(place.site.folder / "unmounted")
    getattr(place, folder).mkdir()
    documents, files = place.site.all_documents(), place.site.tree()
    code, found = ask("--repair")
    assert code == 1
    assert all("mounted" in one["remedy"] for one in found)
    assert place.site.all_documents() == documents
    assert place.site.tree() == files


def test_a_living_drivers_run_is_left_alone(place: Processed, ask):
    place.update(processing_status="running", **{"processing.owner": str(owner.current())})
    cut_strax_file(place)
    assert ask("--repair") == (0, [])


def test_a_run_that_a_job_works_on_is_left_alone(place: Processed, ask):
    cut_strax_file(place)
    with lock.exclusive(layout.lock_file(place.processed, RUN)):
        before = place.site.all_documents()
        code, found = ask("--repair")
        assert (code, kinds(found)) == (1, ["orphaned lock"])
        assert place.site.all_documents() == before
    assert ask("--repair")[0] == 0


def test_a_batch_job_of_nobody_is_told(place: Processed, ask):
    # No batch system answers here, so the last known state of the job counts.
    wanted = Request("run", [("process", {"run_id": RUN})], 1, None, None)
    submission = submissions.new(wanted)
    submission.set_about(system="slurm")
    submission.set_job("17")
    code, found = ask("--repair")
    assert (code, kinds(found)) == (1, ["orphaned batch job"])
    die_as_driver(place)
    code, found = ask("--repair")
    assert (code, kinds(found)) == (1, ["driver dead"])
    submission.marker.write_text("0 node\n")
    assert ask("--repair")[0] == 0
    assert ask() == (0, [])


@pytest.mark.parametrize(
    "status",
    [{"status": "done", "time": 1, "host": "stbc"}, {"status": "failed"}, "building_peaks"],
)
def test_an_older_tools_status_is_understood_and_stays(status, place: Processed, ask):
    place.update(processing_status=status)
    layout.rundoc_receipt(RUN).unlink()
    assert ask("--repair") == (0, [])
    assert place.document()["processing_status"] == status


def test_a_run_that_is_to_be_processed_again_stays_pending(place: Processed, ask):
    place.update(processing_status="pending", **{"processing.reprocess": True})
    assert ask("--repair") == (0, [])
    assert place.document()["processing_status"] == "pending"


def test_older_tools_entries_stay(place: Processed, ask):
    older = [
        {"type": "peaks", "host": "stbc", "location": "/gone", "lineage_hash": "x", "n_chunks": 3},
        {"type": "raw_records", "host": "stbc", "location": "/gone"},
        {"type": "live", "host": "dcache", "location": "/gone"},
        "what is this",
    ]
    place.update(data=[*place.document()["data"], *older])
    assert ask("--repair") == (0, [])


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"processing_status": "sumbitted"}, "unknown status"),
        ({"processing_status": 7}, "unknown status"),
        ({"data": "lost"}, "data of the run document"),
    ],
)
def test_what_only_a_person_can_fix_is_reported(fields, kind, place: Processed, ask):
    place.update(**fields)
    layout.rundoc_receipt(RUN).unlink()
    code, found = ask("932")
    assert code == 1
    told = [one for one in found if one["kind"] == kind]
    assert [one["can_be_repaired"] for one in told] == [False]


def test_a_run_without_document_and_one_with_two(place: Processed, ask):
    place.site.collection.delete_one({"number": 931})
    twin = place.document()
    place.site.collection.insert_one({k: v for k, v in twin.items() if k != "_id"})
    code, found = ask("--repair")
    assert code == 1
    assert [(one["run"], one["kind"]) for one in found] == [
        ("000932", "no run document"),
        ("000931", "no run document"),
    ]


def test_runs_and_ranges(place: Processed, ask, capsys):
    cut_strax_file(place)
    assert ask("931")[0] == 0
    assert ask("900-931")[0] == 0
    assert ask("000932")[0] == 1
    assert ask("932-")[0] == 1
    assert ask("931", "930-940")[0] == 1
    for wrong in ("932-931", "x", "1234567"):
        assert ask(wrong) == (1, [])


def test_people_read_one_line_per_disagreement(place: Processed, capsys):
    leave_temporary_folder(place)
    where = ["--directory", str(place.site.work), "--configfile", str(place.site.configfile)]
    assert main(["reconcile", *where]) == 1
    said = capsys.readouterr()
    assert said.out.startswith(f"{RUN} unfinished strax data: ")
    assert len(said.out.splitlines()) == 1
    assert main(["reconcile", "--repair", *where]) == 0
    assert "repaired: the folder is set aside" in capsys.readouterr().out
    assert main(["reconcile", *where]) == 0
    assert capsys.readouterr().err == "everything agrees\n"


@pytest.mark.parametrize("seed", range(8))
def test_any_sequence_of_damages_is_repaired_and_no_byte_is_lost(seed, place: Processed, ask):
    choose = random.Random(seed)
    damages = choose.sample(list(DAMAGES), choose.randint(2, 6))
    print(seed, [damage.__name__ for damage in damages])
    for damage in damages:
        try:
            damage(place)
        except (OSError, ValueError, IndexError, TypeError, pymongo.errors.WriteError):
            continue  # an earlier one took what this one would damage
        content = place.content()
        if choose.random() < 0.3:
            ask("--repair")
    _, found = ask("--repair")
    left = [one for one in found if not one["repaired"]]
    # Live data without a receipt differ from the DAQ's: a person must decide which are right.
    differ = {"live data without receipt"}
    assert set(kinds(left)) <= differ, left
    assert all("differs from" in one["error"] for one in left)
    code, again = ask()
    assert (code, set(kinds(again))) == ((1, differ) if left else (0, set()))
    after = place.content()
    assert all(after.get(digest, 0) >= count for digest, count in content.items())


def test_files_that_the_daq_wrote_after_the_transfer(place: Processed, ask):
    """As written by a thread that was late while clocks disagreed."""
    run = place.site.daq / "000932"
    written = next(path for path in run.glob("00000?/*") if path.stat().st_size)
    late = written.with_name(f"{written.name}0")
    late.write_bytes(written.read_bytes())
    try:
        code, (found,) = ask("932")
        assert (code, found["kind"]) == (1, "grown at the source")
        assert (
            f"has written {late.parent.name}/{late.name} (new or longer files: 1)" in found["what"]
        )
        before = place.content()
        lineages.keep(place.processed, RUN, "ann")
        code, found = ask("932", "--repair")
        assert code == 0, found
        assert place.content().items() >= before.items()
        assert not lineages.hashes(place.processed, RUN), "none are in force that are set aside"
        assert place.document()["processing_status"] != "done"
        assert not (place.live / "000932").exists()
        assert ask("932") == (0, [])
    finally:
        late.unlink()


def test_receipts_of_another_run_are_told_and_nothing_of_them_is_registered(place: Processed, ask):
    document = place.document()
    place.site.collection.delete_one({"number": 932})
    new = {key: value for key, value in document.items() if key not in ("_id", "processing")}
    new |= {"processing_status": "pending", "data": document["data"][:1]}
    place.site.collection.insert_one(new)
    for repair in ((), ("--repair",)):
        code, (found,) = ask("932", *repair)
        assert (code, found["kind"]) == (1, "another run's receipts")
        assert "its document _id is" in found["what"]
        assert not found["can_be_repaired"]
    assert place.registered() == ["live"]


def test_disagreements_are_grouped_by_kind(place: Processed, ask, capsys):
    where = ["--directory", str(place.site.work), "--configfile", str(place.site.configfile)]
    for run in ("000931", "000932"):
        layout.data_type_receipt(run, TARGET).unlink()
    assert main(["reconcile", *where]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("data without receipt (10 in 2 runs: 931 932); repair: a receipt is")
    assert main(["reconcile", "--details", "930-931", *where]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("000931 data without receipt: there is no receipt for /")
    assert "xamsflow: runs not known: 930" in captured.err


def test_unfinished_data_of_a_failed_run_are_no_disagreement(place: Processed, ask):
    folder = place.folder(TARGET)
    folder.rename(folder.with_name(f"{folder.name}_temp"))
    layout.data_type_receipt(RUN, TARGET).unlink()
    layout.rundoc_receipt(RUN).unlink()
    place.update(processing_status="failed")
    _, found = ask("932")
    assert "unfinished strax data" not in kinds(found)


def test_a_run_is_transferred_again(place: Processed, capsys):
    """A file on the DAQ host is mended; the copy and all that was made from it give way."""
    where = ["--directory", str(place.site.work), "--configfile", str(place.site.configfile)]
    again = ["retransfer", "932", "--yes", "--reason", "mended", *where]
    place.update(data=[*place.document()["data"], *OTHER_TOOLS])
    before, entries = place.content(), place.document()["data"]
    hidden = place.site.folder / "hidden"
    (place.site.daq / RUN).rename(hidden)
    assert main(again) == 1
    assert "no source still has run 000932: daq (" in capsys.readouterr().err
    assert (place.live / RUN).is_dir()
    hidden.rename(place.site.daq / RUN)

    with lock.exclusive(layout.lock_file(place.processed.absolute(), RUN)):
        assert main(again) == 1
    assert "a job is working on run 000932" in capsys.readouterr().err
    assert place.document()["data"] == entries

    lineages.keep(place.processed, RUN, "ann")
    assert main(again) == 0
    assert lineages.read(place.processed, RUN).accepted, "the earlier data are set aside"
    assert "transferred again" in capsys.readouterr().out
    assert place.content().items() >= before.items(), "nothing is deleted"
    assert not (place.live / RUN).exists() and not layout.transfer_receipt(RUN).exists()
    assert not list(place.processed.glob(f"{RUN}-*-*"))
    document = place.document()
    assert document["processing_status"] == "pending"
    assert document["processing"]["history"][-1]["action"] == "retransfer"
    assert document["data"] == [entries[0], *OTHER_TOOLS], "only our own entries go"
    assert len(document["processing"]["gone"]) == len(entries) - 1 - len(OTHER_TOOLS)
    process(place.site, 932)
    assert place.document()["processing_status"] == "done"
    assert sorted(place.registered()) == sorted(entry["type"] for entry in entries)
