"""`xamsflow plan` and `xamsflow why` on the real workflow: what would be done, and why not."""

import json

import pytest

from xamsflow.base import clock


def planned(site, *arguments):
    said = site.verb("plan", *arguments, "--json")
    assert said.stdout, said.stderr
    told = json.loads(said.stdout)
    return said.returncode, {plan["run"]: plan for plan in told["runs"]}, told


def test_the_plan_is_what_then_happens_and_writes_nothing(make_site):
    site = make_site(targets=["peaks"])
    site.add_run(931, duration=0.6, rate=50)
    before, documents = site.tree(), site.all_documents()
    code, plans, told = planned(site)
    assert site.tree() == before
    assert site.all_documents() == documents
    assert (code, list(plans), told["learned_from_runs"]) == (0, ["000931"], 0)
    plan = plans["000931"]
    size = sum(path.stat().st_size for path in (site.daq / "000931").rglob("*") if path.is_file())
    assert plan["live"] == plan["to_move"] == size
    assert (plan["space"], plan["seconds"], plan["stored"]) == (None, None, [])
    assert {"transfer", "process", "publish"} <= {job["rule"] for job in plan["jobs"]}
    assert all(job["mem_mb"] > 0 and job["runtime_min"] > 0 for job in plan["jobs"])
    assert site.snakemake().returncode == 0
    document = site.document(931)
    made = {entry["type"] for entry in document["data"]} - {"live"}
    assert set(plan["to_make"]) == made
    assert plan["writes"][0] == "processing_status: pending -> submitted (attempt 1)"

    # The same again: nothing is to be copied or made; a similar run can be predicted.
    site.add_run(932, duration=0.6, rate=50)
    before = site.tree()
    code, plans, told = planned(site, "931-932")
    assert site.tree() == before
    again, like = plans["000931"], plans["000932"]
    assert (again["to_move"], again["to_make"], again["space"], again["seconds"]) == (0, [], 0, 0)
    assert set(again["stored"]) == made
    assert like["seconds"] > 0
    assert like["space"] == pytest.approx(
        sum(entry.get("size_mb", 0) * 1e6 for entry in document["data"] if entry["type"] in made)
        * like["live"]
        / size,
        rel=0.01,
    )
    moved, stored = told["space"]
    assert (moved["needed"], stored["needed"]) == (like["live"], like["space"])
    assert moved["free"] > 0
    said = site.verb("plan", "--writes")
    assert said.returncode == 0, said.stderr
    assert "000932" in said.stdout
    assert "-> done, targets peaks" in said.stdout
    assert "000931" not in said.stdout


def test_the_plan_of_a_missing_run_says_what_is_wrong(site):
    site.add_run(931, on_disk=False, duration=0.6, rate=50)
    _, plans, _ = planned(site)
    assert "the DAQ never had this run or no longer has it" in plans["000931"]["trouble"]
    said = site.verb("plan", "932")
    assert (said.returncode, "the nearest is 000931" in said.stderr) == (1, True)
    assert "would not process" not in site.verb("plan", "931").stdout
    assert site.verb("hold", "931", "--yes").returncode == 0
    assert (
        "would not process 000931 now; xamsflow why RUN explains why"
        in site.verb("plan", "931").stdout
    )
    said = site.verb("plan", "940-949")
    assert said.returncode == 1
    assert "none of the runs 940-949 is in the run database" in said.stderr
    site.collection.delete_many({})
    assert "No runs are waiting" in site.verb("plan").stdout


def test_why(site):
    site.add_run(931, status="failed", duration=0.6, rate=50)
    site.collection.update_one(
        {"number": 931},
        {"$set": {"processing": {"reason": "no space", "stage": "process", "log": "/x/931.log"}}},
    )
    said = site.verb("why", "931")
    assert said.returncode == 0, said.stderr
    assert "000931 failed in process: no space (log: /x/931.log)" in said.stdout
    assert "`xamsflow retry 931`" in said.stdout

    def answer(**fields):
        site.collection.update_one({"number": 931}, {"$set": fields})
        said = site.verb("why", "931", "--json")
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    me = "other:1:1:x"
    claimed = {"owner": me, "heartbeat": clock.now(), "stage": "process", "host": "wn-1"}
    told = answer(processing_status="running", processing={**claimed, "time": clock.now()})
    assert "has been running since" in told["answer"]
    assert "process is running on wn-1" in told["answer"]
    claimed["heartbeat"] = clock.now().replace(year=2020)
    told = answer(processing={**claimed, "time": claimed["heartbeat"]})
    assert f"its driver {me} has died" in told["answer"]
    told = answer(processing_status="pending", processing={})
    assert "is waiting: the next `snakemake` run" in told["answer"]
    assert all(condition["ok"] for condition in told["conditions"])
    told = answer(tags=[{"name": "hold-processing", "user": "x"}])
    assert "xamsflow release 931" in told["answer"]
    told = answer(end=None)
    assert "still being taken" in told["answer"]
    told = answer(end=clock.now(), tags=[], processing_status="done")
    assert "nothing to do; to process it again, `xamsflow reprocess 931`" in told["answer"]
    told = answer(processing_status="submitted_job")
    assert "another tool is working on it" in told["answer"]
    told = answer(processing_status=None)
    assert "a running xamsflow watch will" in told["answer"]
    assert told["conditions_to_be_asked_for_by_watch"]
    said = site.verb("why", "930")
    assert (said.returncode, "the nearest is 000931" in said.stderr) == (1, True)
