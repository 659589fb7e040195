"""Campaigns: many runs made again as one piece of work, on a real run database."""

import json
from datetime import UTC, datetime, timedelta

import bson
import pytest

from xamsflow import rundb
from xamsflow.rundb.campaign_changes import Request
from xamsflow.settings import config as configuration
from xamsflow.state import layout, lineages, receipts

END = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
LATER = END.replace(year=2099)

RUNS = range(900, 912)


def document(number, status="done", /, **fields):
    found = {"number": number, "mode": "bkg", "start": END - timedelta(hours=1), "end": END}
    return found | {"processing_status": status, "comments": ["as it is"]} | fields


@pytest.fixture
def runs(site, monkeypatch):
    monkeypatch.setenv("LOGNAME", "astrid")
    site.collection.insert_many(
        [
            *(
                document(number, processing={"attempt": 1, "owner": "a:1:1:x", "stage": "publish"})
                for number in RUNS[:-1]
            ),
            document(
                RUNS[-1],
                "failed",
                processing_failed=2,
                processing={
                    "attempt": 2,
                    "reason": "no disk",
                    "tries": 1,
                    "retry_at": LATER,
                },
            ),
        ]
    )
    return site.collection


def ask(site, *arguments):
    said = site.verb("campaign", *arguments)
    return said.returncode, said.stdout + said.stderr


def plain(runs):
    """Return the run documents without their histories, by number."""
    found = {run["number"]: run for run in runs.find().sort("number")}
    for one in found.values():
        one.get("processing", {}).pop("history", None)
    return found


def by_status(site, name="gains"):
    return json.loads(ask(site, "show", name, "--json")[1])["by_status"]


def database(site):
    return rundb.open_database(configuration.load([site.configfile]).rundb)


def stored(site):
    """Return the folder of the site's strax data."""
    return site.work / "data" / "processed"


def publish(site, number, lineage_hash, time):
    """Store empty events with this lineage, and write the receipt that names them."""
    run = layout.run_id(number)
    folder = lineages.folder(stored(site), run, "events", lineage_hash)
    folder.mkdir(parents=True)
    (folder / f"events-{lineage_hash}-metadata.json").write_text("{}")
    made = {"events": {"lineage_hash": lineage_hash}}
    receipt = site.work / layout.data_type_receipt(run, "events")
    receipts.write(receipt, {"stored": made, "time": f"2026-01-0{time}T00:00:00+00:00"})


def test_what_people_did_meanwhile_and_damaged_files_stop_no_campaign(site, runs):
    for number in (900, 901, 902, 903):
        publish(site, number, "aaaaaaaaaa", 1)
    runs.update_one({"number": 903}, {"$set": {"processing_status": "pending"}})
    folder = site.work / "campaigns"
    folder.mkdir()
    (folder / "other.json").write_text("{")
    assert ask(site, "new", "gains", "--runs", "900-903")[0] == 0
    code, said = ask(site, "list")
    assert code == 1
    assert "gains" in said and "other.json" in said
    assert ask(site, "start", "gains", "--yes")[0] == 0
    assert lineages.recorded(stored(site)) == ["000900", "000901", "000902"], "903 was not asked"
    assert ask(site, "pause", "gains", "--yes")[0] == 0
    assert (
        "analysts keep the earlier data: xamsflow lineage"
        in site.verb("reprocess", "901", "--dry-run").stdout
    )
    publish(site, 901, "bbbbbbbbbb", 2)  # at a person's own request
    layout.lineage_file(stored(site), "000900").write_text("{")
    code, said = ask(site, "end", "gains", "--yes")
    assert code == 1
    assert said.count("was left out") == said.count("000900 was left out") == 1
    assert not lineages.read(stored(site), "000901").accepted, "nobody has compared it"
    assert lineages.read(stored(site), "000902").accepted, "nothing new was made"
    done = {"processing_status": "done", "processing.campaign": {"name": "gains"}}
    runs.update_one({"number": 901}, {"$set": done})
    said = ask(site, "accept", "gains", "--yes")[1]
    assert "1 run of the campaign gains has not been compared" in said and "(901)" in said
    runs.update_one({"number": 901}, {"$set": {"processing.campaign": {"name": "later"}}})
    for action in ("accept", "back"):
        code, said = ask(site, action, "gains", "--yes")
        assert code == 1
        assert "000900 was left out" in said and "000902 was left out" not in said
    assert "000901 was left out: the campaign later has requested it" in said
    assert not lineages.read(stored(site), "000902").accepted


def test_runs_that_cannot_be_changed_are_left_out_and_named(site, runs):
    assert ask(site, "new", "gains", "--runs", "900-902")[0] == 0
    full = runs.find_one({"number": 901})
    full["comments"] = ["x" * (16 * 2**20 - len(bson.encode(full)) - 50)]
    runs.replace_one({"number": 901}, full)
    code, said = ask(site, "start", "gains", "--yes")
    assert (code, said.count("was left out")) == (1, said.count("000901 was left out")) == (1, 1)
    assert by_status(site)["pending"] == 2
    runs.insert_one(document(900))
    for action in ("pause", "resume", "retry", "end"):
        code, said = ask(site, action, "gains", "--yes")
        assert (code, "000900 was left out" in said) == (1, True), said
        assert "000902 was left out" not in said


def test_paused_at_any_moment_each_run_is_requested_once_or_as_it_was(site, runs):
    before = plain(runs)
    assert ask(site, "new", "gains", "--runs", "900-911", "--reason", "new gains")[0] == 0
    assert plain(runs) == before
    with database(site) as db:
        # A first start was killed after some runs.
        db.apply(RUNS[:4], Request("gains", (), "astrid", "campaign gains: start (new gains)"))
        assert ask(site, "start", "gains", "--yes")[0] == 0
        select = configuration.load([site.configfile]).select
        waiting = db.pending(select)
        assert [run.number for run in waiting] == sorted(RUNS, reverse=True)
        assert all(run.reprocess and run.campaign == "gains" for run in waiting)
        runs.insert_one(document(1, "pending"))
        assert db.pending(select)[0].number == 1  # new runs go first
        runs.delete_one({"number": 1})
        taken = {run: ["events"] for run in waiting if run.number in (905, 906)}
        (first, second) = db.claim_pending(taken, "driver")
        assert ask(site, "pause", "gains", "--yes")[0] == 0
        now = plain(runs)
        left = set(RUNS) - {905, 906}
        assert {number: now[number] for number in left} == {n: before[n] for n in left}
        # What is in work may finish, and what a driver gives back does not go on.
        assert db.release(first, "the driver was stopped")
        assert db.done(second, versions={}, quality={})
        assert db.pending(select) == []
        why = site.verb("why", str(first.number)).stdout
        assert "gains is paused" in why and "pending for the campaign gains" in why
        assert ask(site, "resume", "gains", "--yes")[0] == 0
        assert {run.number for run in db.pending(select)} == set(RUNS) - {second.number}
    assert by_status(site) == {
        "waiting": 0, "pending": 11, "submitted": 0, "running": 0, "done": 1, "failed": 0,
    }  # fmt: skip
    assert ask(site, "end", "gains", "--yes")[0] == 0
    now = plain(runs)
    assert {number: now[number] for number in left} == {n: before[n] for n in left}
    assert now[first.number]["processing_status"] == "pending"  # begun, so it is finished
    requests = [
        entry["reason"]
        for run in runs.find()
        for entry in run["processing"]["history"]
        if entry.get("action") == "campaign" and entry["to"] == "pending"
    ]
    assert requests.count("campaign gains: start (new gains)") == len(RUNS)
    code, said = ask(site, "start", "gains", "--yes")
    assert (code, "which has ended" in said) == (1, True)


def test_what_cannot_be_done_is_one_line(site, runs, tmp_path):
    wrong, empty = tmp_path / "wrong.json", tmp_path / "empty"
    wrong.write_text('{"runs": [5]}')
    empty.write_text("# nothing\n")
    for arguments, expected in {
        ("new",): "a new campaign needs a name",
        ("start",): "start needs the name of a campaign",
        ("new", "900-905", "--runs", "900"): "because it looks like run numbers",
        ("new", "gains"): "no runs were given",
        ("new", "../x", "--runs", "900"): "cannot be the name of a campaign",
        ("new", "gains", "--runs", "5"): "run 000005 is not in",
        ("new", "gains", "--from", str(wrong)): "not a list of good runs",
        ("new", "gains", "--from", str(empty)): "contains no runs",
        ("new", "gains", "--from", str(tmp_path / "gone")): "cannot read",
        ("new", "gains", "--runs", "900", "--targets", "peeks"): "'peeks' is unknown",
        ("start", "gains"): "there is no campaign 'gains'",
        ("start", "gains", "--runs", "900"): "--runs applies only to a new campaign",
        ("list", "gains"): "list takes no name",
    }.items():
        code, said = ask(site, *arguments)
        assert code == 1
        assert expected in said
        assert said.count("\n") == 1
    good = tmp_path / "good.json"
    good.write_text('{"runs": [{"run_id": "000900"}, {"run_id": "000903"}]}')
    assert ask(site, "new", "gains", "--from", str(good))[0] == 0
    assert ask(site, "list")[1].split()[-6:-1] == ["gains", "new", "2", "0", "0"]
    for arguments, expected in {
        ("new", "gains", "--runs", "900"): "already exists",
        (
            "new",
            "more",
            "--runs",
            "903-905",
        ): "the campaign gains, which has not ended,",
        ("pause", "gains"): "cannot pause the campaign gains, which has not been started",
        ("start", "gains"): "confirmation requires a terminal",
        (
            "accept",
            "gains",
            "--yes",
        ): "cannot accept the campaign gains, which has not been started",
    }.items():
        code, said = ask(site, *arguments)
        assert (code, expected in said) == (1, True), said
    assert all(run["processing_status"] != "pending" for run in runs.find())
    damaged = site.work / "results" / "000903" / "events.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    code, said = ask(site, "start", "gains", "--yes")
    assert (code, "000903 was left out" in said) == (1, True)
    assert by_status(site)["waiting"] == by_status(site)["pending"] == 1
    # Somebody in another working directory learns where the campaign is.
    other = type(site)(tmp_path / "other", site.uri, site.database)
    assert f"gains: in the working directory {site.work}" in ask(other, "list")[1]
    code, said = ask(other, "pause", "gains", "--yes")
    assert (code, f"add --directory {site.work}" in said) == (1, True), said
    said = ask(other, "new", "gains", "--runs", "900")[1]
    assert f"from the working directory {site.work}" in said
