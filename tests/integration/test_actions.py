"""The verbs that change run documents, on a real run database."""

import os
import pty
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from xamsflow import cli, rundb
from xamsflow.operate import actions, retransfer
from xamsflow.rundb.status import State
from xamsflow.settings import config as configuration
from xamsflow.state import layout, lineages, owner, receipts, strax_folder

ALIVE = str(owner.current())
END = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def runs(site, monkeypatch):
    monkeypatch.chdir(site.work)
    monkeypatch.setenv("LOGNAME", "astrid")
    return site.collection


@pytest.fixture
def ask(site, capsys, runs):
    """Return a function that runs the command in this process: exit code, what it said."""

    def ask(*arguments: str) -> tuple[int, str]:
        code = cli.main([*arguments, "--configfile", str(site.configfile)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return ask


def document(number, status=None, /, **fields):
    found = {"number": number, "mode": "bkg", "start": END - timedelta(hours=1), "end": END}
    if status is not None:
        found["processing_status"] = status
    return found | fields


def claimed(number, holder=ALIVE):
    return document(number, "running", processing={"owner": holder, "attempt": 1})


def statuses(runs):
    return {run["number"]: run.get("processing_status") for run in runs.find()}


def tags(runs, number):
    return [tag["name"] for tag in runs.find_one({"number": number}).get("tags") or []]


def test_pend_shows_asks_and_writes_who_and_why(ask, runs):
    runs.insert_many([document(931), document(932, "failed", processing_failed=2)])
    code, said = ask("pend", "931-932", "--yes", "--reason", "Kr calibration")
    assert code == 0
    assert "2 runs pending" in said
    assert statuses(runs) == {931: "pending", 932: "pending"}
    (entry,) = runs.find_one({"number": 932})["processing"]["history"]
    assert (entry["by"], entry["action"], entry["reason"]) == ("astrid", "pend", "Kr calibration")
    assert (entry["from"], entry["to"]) == ("failed", "pending")
    assert entry["time"] > END
    code, said = ask("pend", "932", "--yes")
    assert (code, "is already pending" in said) == (0, True)


def test_a_range_and_its_numbers_mean_the_same(ask, runs):
    runs.insert_many([document(931), document(932, "done"), document(935)])
    for words in (["932"], ["930-934"]):
        code, said = ask("pend", *words, "--yes")
        assert (code, statuses(runs)[932]) == (0, "done")
        assert "is done; --force republishes it" in said
    assert "xamsflow: runs not in the run database: 930 933 934" in said
    assert ask("pend", "932", "--yes", "--force")[0] == 0
    assert statuses(runs) == {931: "pending", 932: "pending", 935: None}


@pytest.mark.parametrize("verb", ["pend", "hold", "abandon", "retry", "reprocess", "release"])
def test_nothing_is_done_unasked(ask, runs, verb):
    tagged = {"tags": [{"name": "hold-processing"}]} if verb == "release" else {}
    runs.insert_one(document(932, "failed", **tagged))
    before = list(runs.find())
    code, said = ask(verb, "932", "--dry-run")
    assert (code, "Nothing was changed (--dry-run)" in said) == (0, True)
    code, said = ask(verb, "932")
    assert code == 1
    assert "confirmation requires a terminal: add --yes" in said
    code, said = ask(verb)
    assert (code, f"{verb} needs runs" in said) == (1, True)
    assert list(runs.find()) == before


def test_at_a_terminal_it_asks(site, runs):
    runs.insert_one(document(932))
    for answer, status in (("n", None), ("y", "pending")):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["xamsflow", "pend", "932", "--configfile", str(site.configfile)],
            stdin=theirs,
            stdout=subprocess.PIPE,
            text=True,
            cwd=site.work,
            env=os.environ | {"PATH": f"{os.path.dirname(os.sys.executable)}:{os.environ['PATH']}"},  # noqa: PTH120
        )
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        said, _ = process.communicate(timeout=60)
        os.close(ours)
        assert "Request this run? [y/N]" in said
        assert process.returncode == (0 if answer == "y" else 1)
        assert statuses(runs)[932] == status


def test_runs_that_are_worked_on_stay_with_who_has_them(ask, runs):
    runs.insert_many([claimed(931), claimed(932, "gone:1:1:x"), document(933, "submitted_job")])
    before = list(runs.find())
    for verb in ("pend", "reprocess"):
        code, said = ask(verb, "931", "932", "933", "--yes")
        assert code == 1
        assert f"is being processed by {ALIVE}: wait until it ends" in said
        assert "its driver gone:1:1:x has died: the next driver takes it over" in said
        assert "is in use by another tool, as its status 'submitted_job' says" in said
        assert list(runs.find()) == before
    assert ask("retry", "931", "--yes")[0] == 1
    assert ask("pend", "931-933", "--force", "--yes")[0] == 0
    assert statuses(runs) == {931: "running", 932: "running", 933: "pending"}
    # A tag does not take a run from anybody, and it is said that the work goes on.
    code, said = ask("hold", "931", "--yes")
    assert (code, "is processing it and will finish" in said) == (0, True)
    assert statuses(runs)[931] == "running"
    assert runs.find_one({"number": 931})["processing"]["owner"] == ALIVE


def test_hold_and_release(site, ask, runs):
    other = {"name": "messy", "user": "daq", "date": END}
    runs.insert_many([document(931, "pending", tags=[other]), document(932, "pending", tags=None)])
    select = configuration.load([site.configfile]).select
    with rundb.open_database(configuration.load([site.configfile]).rundb) as database:
        assert ask("hold", "931", "932", "--yes", "--reason", "bad HV")[0] == 0
        assert database.pending(select) == []
        held = runs.find_one({"number": 931})
        assert held["tags"][0] == other
        assert held["tags"][1].keys() == {"name", "user", "date"}
        assert (held["tags"][1]["name"], held["tags"][1]["user"]) == ("hold-processing", "astrid")
        entry = held["processing"]["history"][-1]
        assert (entry["action"], entry["reason"], entry["to"]) == ("hold", "bad HV", "pending")
        assert "is already held" in ask("hold", "931", "--yes")[1]
        assert (
            "not processed because of its tag hold-processing: xamsflow release 931"
            in ask("pend", "931")[1]
        )
        assert ask("abandon", "932", "--yes")[0] == 0
        assert tags(runs, 932) == ["hold-processing", "abandon"]
        code, said = ask("release", "--tag", "hold-processing", "--yes")
        assert (code, "2 runs released" in said) == (0, True)
        assert (tags(runs, 931), tags(runs, 932)) == (["messy"], [])
        assert [run.number for run in database.pending(select)] == [932, 931]
    assert "is not held" in ask("release", "931", "--yes")[1]


def test_tags_of_another_shape_are_not_destroyed(ask, runs):
    runs.insert_one(document(931, tags="Kr"))
    code, said = ask("hold", "931", "--yes")
    assert (code, "run 000931: tags of the run document must be a list, not 'Kr'" in said) == (
        1,
        True,
    )
    assert runs.find_one({"number": 931})["tags"] == "Kr"


def test_retry_counts_anew_and_is_for_failed_runs_only(ask, runs):
    failed = {"tries": 3, "tries_by_class": {"transient": 3}, "retry_at": END, "reason": "x"}
    runs.insert_many(
        [document(931, "failed", processing=failed), document(932, "done"), document(933)]
    )
    code, said = ask("retry", "931-933", "--yes")
    assert code == 0
    assert "1 run unchanged: is done, not failed" in said
    assert statuses(runs) == {931: "pending", 932: "done", 933: None}
    assert runs.find_one({"number": 931})["processing"].keys() == {"history", "time"}
    assert ask("retry", "932", "--yes")[0] == 1


def test_all_failed_runs_are_retried(ask, runs):
    runs.insert_many([document(931, "failed"), document(932, "done"), document(935, "failed")])
    code, said = ask("retry", "--failed", "--yes")
    assert (code, statuses(runs)) == (0, {931: "pending", 932: "done", 935: "pending"})
    assert "2 runs pending" in said and "not in the run database" not in said


def test_runs_by_mode(ask, runs):
    runs.insert_many(
        [
            document(931, mode="xamsl_led"),
            document(932, "done", mode="led"),
            document(933, mode="bkg"),
            document(934, mode=None),
        ]
    )
    code, said = ask("pend", "--mode", "*led*", "--yes")
    assert code == 0
    assert "1 run unchanged: is done" in said
    assert statuses(runs) == {931: "pending", 932: "done", 933: None, 934: None}
    assert ask("pend", "932", "933", "--mode", "bkg", "--yes")[0] == 0
    assert statuses(runs) == {931: "pending", 932: "done", 933: "pending", 934: None}
    code, said = ask("hold", "--mode", "nai", "--yes")
    assert (code, "No runs match" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["93x"], "'93x' is not a run: give a number such as 932, or a range such as 932-940"),
        (["940-932"], "did you mean 932-940?"),
        (["933"], "run 000933 is not in"),
        (["933"], "the nearest are 000931 and 000935"),
    ],
)
def test_wrong_runs_are_told_and_nothing_is_changed(ask, runs, arguments, expected):
    runs.insert_many([document(931), document(935)])
    code, said = ask("pend", "931", *arguments, "--yes")
    assert code == 1
    assert expected in said
    assert set(statuses(runs).values()) == {None}


def test_no_database_and_no_right_to_write(site, ask, mongod_with_users, tmp_path, monkeypatch):
    site.configure(rundb={"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"})
    code, said = ask("pend", "931", "--yes")
    assert (code, "does not respond" in said, said.count("\n")) == (1, True, 1)
    import pymongo  # noqa: PLC0415

    server = mongod_with_users
    with pymongo.MongoClient(server.uri, username=server.user, password=server.password) as client:
        client[site.database]["runs_new"].insert_one(document(931))
        client.admin.command(
            "createUser", f"looks_{site.database}", pwd="x",
            roles=[{"role": "read", "db": site.database}],
        )  # fmt: skip
    monkeypatch.setenv("MONGO_USER", f"looks_{site.database}")
    monkeypatch.setenv("MONGO_PASSWORD", "x")
    site.configure(rundb={"uri": server.uri})
    for verb in ("pend", "hold"):
        code, said = ask(verb, "931", "--yes")
        assert code == 1
        assert f"does not allow this (not authorized on {site.database}" in said
        assert "Traceback" not in said


def publish_events(processed, run):
    folder = lineages.folder(processed, run, "events", "abcdefghij")
    folder.mkdir(parents=True)
    strax_folder.metadata_file(folder).write_text("{}")
    stored = {"events": {"lineage_hash": "abcdefghij"}}
    receipts.write(layout.data_type_receipt(run, "events"), {"stored": stored, "time": ""})


def test_reprocessing_beside_keeps_what_was_published(ask, runs, site):
    settings = configuration.load([site.configfile])
    processed = settings.storage.processed
    runs.insert_many([document(931, "done"), document(932, "done")])
    publish_events(processed, "000932")
    code, said = ask("reprocess", "931", "932", "--beside", "--yes", "--reason", "new gains")
    assert code == 1
    assert "931 " in said
    assert "no data to keep" in said
    assert statuses(runs) == {931: "done", 932: "pending"}
    kept = lineages.read(processed, "000932")
    assert (kept.earlier, kept.by) == ({"events": "abcdefghij"}, "astrid")
    assert (kept.reason, kept.accepted) == ("new gains", False)


@pytest.mark.parametrize("verb", ["reprocess --beside", "retransfer"])
def test_a_run_that_somebody_has_changed_since_the_question_is_left_as_it_is(runs, site, verb):
    settings = configuration.load([site.configfile])
    processed = settings.storage.processed
    site.add_run(932, duration=0.6, rate=50)
    publish_events(processed, "000932")
    action = actions.beside(processed) if "--beside" in verb else retransfer.action(settings)
    layout.lock_file(processed, "000932").parent.mkdir()
    layout.lock_file(processed, "000932").touch()
    before = site.tree(), list(runs.find())
    with rundb.open_database(settings.rundb) as database:
        assert not action.change(database, 932, actions.Author("astrid", verb, None), State.DONE)
    assert lineages.read(processed, "000932") is None
    assert (site.tree(), list(runs.find())) == before
