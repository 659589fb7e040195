"""profiles/htcondor on a real HTCondor: `make test-htcondor`, not a part of `make test`."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import site_for_tests
from batch_scenarios import *  # noqa: F403 - the tests that all batch systems share
from batch_workflow import Workflow, long, wait_until
from servers import htcondor
from servers.htcondor import HTCondor
from site_for_tests import Site
from xamsflow.base.errors import FailureClass
from xamsflow.batch import submissions
from xamsflow.batch.job_end import Explanation
from xamsflow.simulate.embedded_mongod import MongoServer
from xamsflow.state import layout

EXPLAIN = """
import json, sys
from xamsflow.batch import submissions
from xamsflow.batch.job_end import explain
found = explain("process", {"run": sys.argv[1]})
print(json.dumps(found and [found.reason, found.failure.value]))
"""
DETAILS = """
import sys
from xamsflow.batch.htcondor import System
print(len(sys.argv[1:]), *System().details(sys.argv[1:]))
"""
SINGLE = ("--groups", "transfer=a", "process=b", "publish=c")
"""Each rule a batch job of its own."""
FAST = ("--seconds-between-status-checks", "1", "--latency-wait", "5")


@pytest.fixture(scope="session")
def server() -> Iterator[HTCondor]:
    if reason := htcondor.missing():
        pytest.exit(reason, returncode=1)
    try:
        htcondor.system()
    except RuntimeError as error:
        pytest.exit(str(error), returncode=1)
    with htcondor.running_htcondor() as running:
        yield running


class CondorWorkflow(Workflow):
    """The driver runs where HTCondor is, too."""

    server: HTCondor

    def command(self, command: list[str]) -> list[str]:
        return self.server.command(command, layout.REPOSITORY)

    def number(self, run: str) -> str:
        """Return the number of a run's batch job, whose name also has its schedd."""
        return submissions.number(self.job(run))

    def explain(self, run: str) -> Explanation:
        said = self.server.run(sys.executable, "-c", EXPLAIN, run, cwd=self.folder)
        reason, failure = json.loads(said)
        return Explanation(reason, FailureClass(failure))


@pytest.fixture
def folder(server: HTCondor, request: pytest.FixtureRequest) -> Path:
    """Return a folder that HTCondor's jobs can write to."""
    made = server.folder / request.node.name
    made.mkdir()
    os.chown(made, htcondor.USER, htcondor.USER)
    return made


@pytest.fixture
def workflow(folder: Path, server: HTCondor) -> Iterator[CondorWorkflow]:
    running = CondorWorkflow(folder, server, "htcondor")
    try:
        yield running
    finally:
        running.close()
        server.run("condor_rm", "-all", check=False)


def test_each_run_is_one_batch_job_of_the_narrowest_category(workflow: CondorWorkflow) -> None:
    assert workflow.run({"run1": "true", "run2": "true"}) == 0, workflow.terminal

    assert workflow.published() == ["run1", "run2"]
    fields = ("JobCategory", "UseOS", "RequestMemory", "RequestCpus", "JobBatchName")
    told = workflow.server.run("condor_history", workflow.number("run1"), "-af", *fields)
    assert told.split() == ["short", "el9", "1000", "1", "run-run1"]
    log = workflow.folder / "logs" / "batch" / "run-run1.1.log"
    assert "3 of 3 steps" in log.read_text()


def test_every_end_is_noticed_and_explained_while_other_runs_go_on(
    workflow: CondorWorkflow,
) -> None:
    runs = {"run1": "exit 3", "run3": "true", "run4": "kill -9 $$"} | long("run2", "run5")
    driver = workflow.start(runs)
    workflow.wait_for_start("run2", "run5")
    workflow.server.run("condor_rm", workflow.number("run2"))
    workflow.server.run("condor_hold", workflow.number("run5"))

    assert driver.wait(timeout=100) == 1, workflow.terminal

    assert workflow.published() == ["run3"]
    assert "exit code 1 " in workflow.explain("run1").reason
    assert workflow.explain("run1").failure == FailureClass.UNKNOWN
    assert "canceled" in workflow.explain("run2").reason
    assert workflow.explain("run2").failure == FailureClass.TRANSIENT
    assert "signal 9" in workflow.explain("run4").reason
    assert workflow.explain("run4").failure == FailureClass.RESOURCES
    assert "held by the batch system: via condor_hold" in workflow.explain("run5").reason
    assert workflow.explain("run5").failure == FailureClass.TRANSIENT
    wait_until(lambda: not in_queue(workflow.server), "the held job is taken out of the queue")


def test_what_breaks_a_limit_is_held_and_asks_for_more_the_next_time(
    workflow: CondorWorkflow,
) -> None:
    memory_hog = "exec python3 -c 'b = b\"x\" * (500 << 20); import time; time.sleep(100)'"
    # 300 min are not of the category that ends early here.
    assert workflow.run({"run1": memory_hog}, *SINGLE, *limits(runtime=300)) == 1
    assert workflow.run(long("run2"), *SINGLE, *limits(runtime=5)) == 1

    memory, time = workflow.explain("run1"), workflow.explain("run2")
    assert (memory.failure, time.failure) == (FailureClass.RESOURCES, FailureClass.RESOURCES)
    assert "its memory ran out (requested 1 core, 200 MB" in memory.reason
    assert "its wall time ran out" in time.reason
    assert not in_queue(workflow.server)

    assert workflow.run({"run1": "true", "run2": "true"}, *SINGLE, *limits(runtime=8)) == 0

    assert ": now requesting 400 MB" in workflow.terminal
    assert "ran out of time: now requesting 10 min" in workflow.terminal


def test_the_same_number_on_another_schedd_is_another_job(workflow: CondorWorkflow) -> None:
    """It counts neither as ended nor as forgotten while its schedd does not say."""
    assert workflow.run({"run1": "true"}) == 0, workflow.terminal
    ours, theirs = workflow.job("run1"), f"{workflow.number('run1')}.elsewhere"
    assert f"-- Schedd: {submissions.server(ours)} " in workflow.server.run("condor_q", "-totals")
    said = workflow.server.run(sys.executable, "-c", DETAILS, ours, theirs, cwd=workflow.folder)
    assert said.split() == ["2", ours]


def limits(*, runtime: int) -> tuple[str, str]:
    return "--set-resources", f"process:runtime={runtime}m"


def in_queue(server: HTCondor) -> str:
    """Return the jobs in the queue, held ones included."""
    return server.run("condor_q", "-af:j", "JobStatus")


def test_processes_killed_without_warning_are_noticed(workflow: CondorWorkflow) -> None:
    """Not even the shell of the job script is left to say anything."""
    driver = workflow.start(long("run1"))
    workflow.wait_for_start("run1")
    script = str(workflow.folder / ".snakemake/batch/submissions/run-run1.1/script")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and script in command_line(process):
            os.kill(int(process.name), signal.SIGKILL)

    assert driver.wait(timeout=60) == 1, workflow.terminal
    assert workflow.explain("run1").failure == FailureClass.RESOURCES
    assert "signal 9" in workflow.explain("run1").reason


def command_line(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def test_a_batch_system_that_is_away_harms_nothing(workflow: CondorWorkflow) -> None:
    """Neither the jobs that it has nor one that is to be submitted meanwhile."""
    waits = "touch on-$RUN; while [ ! -e go ]; do sleep 0.2; done"
    driver = workflow.start({"run1": waits.replace("$RUN", "run1")})
    workflow.wait_for_start("run1")
    workflow.server.stop_queue()
    wait_until(lambda: "does not respond" in workflow.terminal, "the driver notices")
    # A second driver, which has to submit.
    late = workflow.start({"run2": "true"})
    wait_until(lambda: "trying again in 4 s" in workflow.terminal, "the submission is tried again")
    assert driver.poll() is None
    assert late.poll() is None

    workflow.server.start_queue()
    (workflow.folder / "go").touch()

    assert driver.wait(timeout=120) == 0, workflow.terminal
    assert late.wait(timeout=120) == 0, workflow.terminal
    assert workflow.published() == ["run1", "run2"]
    assert workflow.starts("run1") == 1


def test_a_full_queue_is_waited_for() -> None:
    with htcondor.running_htcondor(job_limit=1) as small:
        folder = small.folder / "work"
        folder.mkdir()
        os.chown(folder, htcondor.USER, htcondor.USER)
        workflow = CondorWorkflow(folder, small, "htcondor")
        runs = {"run1": "while [ ! -e go ]; do sleep 0.2; done"}
        driver = workflow.start(runs | {"run2": ". ./do-run1"})
        try:
            wait_until(lambda: "until the batch system accepts more" in workflow.terminal, "full")
            (folder / "go").touch()
            assert driver.wait(timeout=100) == 0, workflow.terminal
            assert workflow.published() == ["run1", "run2"]
        finally:
            workflow.close()


@dataclass
class CondorSite(Site):
    """A site of which the driver runs where HTCondor is."""

    server: HTCondor | None = None

    def command(self, *arguments: str) -> list[str]:
        assert self.server is not None
        return self.server.command(super().command(*arguments), self.work)


@pytest.fixture
def site(
    folder: Path,
    server: HTCondor,
    mongod: MongoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CondorSite]:
    monkeypatch.setattr(site_for_tests, "PROFILE", layout.REPOSITORY / "profiles" / "htcondor")
    made = CondorSite(
        folder,
        mongod.uri,
        "htcondor",
        environment=server.environment | {"XAMSFLOW_BATCH_INTERVAL_S": "1"},
        server=server,
    )
    os.chown(made.work, htcondor.USER, htcondor.USER)
    yield made
    server.run("condor_rm", "-all", check=False)


def test_the_real_workflow(site: CondorSite, server: HTCondor) -> None:
    site.add_run(931)
    site.add_run(932, duration=30.0, rate=300.0)
    site.add_run(933, on_disk=False)
    driver = site.start(*FAST, "--group-components", "run=1")  # each run has its own batch job
    wait_until(lambda: site.status(932) == "running", "run 932 runs", timeout_s=60)
    (job,) = site.work.glob(".snakemake/batch/submissions/*-000932.*/job")
    server.run("condor_rm", submissions.number(job.read_text().strip()))
    said, _ = driver.communicate(timeout=150)

    assert driver.returncode == 1
    assert site.status(931) == "done", said
    deleted = site.document(932)["processing"]
    assert deleted["failure"] == "transient"
    assert "canceled in the batch system" in deleted["reason"]
    assert site.document(933)["processing"]["stage"] == "transfer"
    assert "missing" in site.document(933)["processing"]["reason"]
    (done,) = site.work.glob(".snakemake/batch/submissions/*-000931.*/job")
    # As condor_rm takes it.
    number = submissions.number(done.read_text().strip())
    assert site.document(931)["processing"]["job_id"] == f"{number}.0"
