"""profiles/stbc on a real Slurm behind Torque's commands."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batch_scenarios import *  # noqa: F403 - the tests that all batch systems share
from batch_workflow import Workflow, long, wait_until
from profile_settings import status_command
from servers import slurm
from servers.slurm import Slurm
from xamsflow.base.errors import FailureClass
from xamsflow.batch import submissions
from xamsflow.batch.job_end import explain, members
from xamsflow.state.layout import REPOSITORY

PROFILE = "stbc"
"""What the fixture `workflow` works by."""

pytestmark = pytest.mark.skipif(
    bool(slurm.missing()), reason=f"not installed: {', '.join(slurm.missing())}"
)


def test_each_run_is_one_batch_job_in_the_narrowest_queue(workflow: Workflow) -> None:
    assert workflow.run({"run1": "true", "run2": "true"}) == 0, workflow.terminal

    assert workflow.published() == ["run1", "run2"]
    assert "Logging error" not in workflow.terminal  # although this Snakefile has no driver
    assert len(list(workflow.folder.glob(".snakemake/batch/submissions/*"))) == 2
    shown = workflow.server.run("scontrol", "-o", "show", "job", workflow.job("run1"))
    # One minute for process, an hour by default for the two others.
    assert "Partition=short" in shown
    assert "TimeLimit=02:01:00" in shown
    assert "JobName=run-run1" in shown
    assert "Requeue=0" in shown
    log = workflow.folder / "logs" / "batch" / "run-run1.1.log"
    assert "3 of 3 steps" in log.read_text()


def test_every_rule_can_be_a_batch_job_of_its_own(workflow: Workflow) -> None:
    # The profile's groups, each rule in one of its own.
    single = ["--groups", "transfer=a", "process=b", "publish=c"]

    assert workflow.run({"run1": "true"}, *single) == 0, workflow.terminal

    names = {path.name for path in workflow.folder.glob(".snakemake/batch/submissions/*")}
    assert names == {"a-run1.1", "b-run1.1", "c-run1.1"}
    job = (workflow.folder / ".snakemake/batch/submissions/b-run1.1/job").read_text().strip()
    shown = workflow.server.run("scontrol", "-o", "show", "job", job)
    assert "Partition=express" in shown
    assert "TimeLimit=00:01:00" in shown


def test_every_end_is_noticed_and_explained_while_other_runs_go_on(workflow: Workflow) -> None:
    memory_hog = "exec python3 -c 'b = bytearray(2500 << 20); import time; time.sleep(100)'"
    runs = {
        "run1": "exit 3",
        "run2": "touch on-run2; sleep 100",
        "run3": memory_hog,
        "run5": "true",
        "run6": "kill -9 $$",
    }
    driver = workflow.start(runs)
    workflow.wait_for_start("run2")
    workflow.server.run("qdel", workflow.job("run2"))

    assert driver.wait(timeout=120) == 1, workflow.terminal

    assert workflow.published() == ["run5"]
    assert "exit code 1 " in workflow.explain("run1").reason
    assert workflow.explain("run1").failure == FailureClass.UNKNOWN
    together = sorted(rule for rule, _ in members("publish", {"run": "run1"}))
    assert together == ["process", "publish", "transfer"]
    assert explain("process", {"run": "run5"}) is None
    assert workflow.explain("run2").failure == FailureClass.TRANSIENT
    assert "canceled" in workflow.explain("run2").reason
    assert workflow.explain("run3").failure == FailureClass.RESOURCES
    assert "memory" in workflow.explain("run3").reason
    assert workflow.explain("run6").failure == FailureClass.RESOURCES
    assert "signal 9" in workflow.explain("run6").reason

    assert workflow.run({"run3": "true"}) == 0, workflow.terminal

    assert ": now requesting 2000 MB" in workflow.terminal
    shown = workflow.server.run("scontrol", "-o", "show", "job", workflow.job("run3"))
    assert "mem=2000M" in shown


def test_processes_killed_without_warning_are_noticed(workflow: Workflow) -> None:
    """Not even the shell of the job script is left to say anything."""
    driver = workflow.start(long("run1"))
    workflow.wait_for_start("run1")
    shown = workflow.server.run("scontrol", "listpids", workflow.job("run1"))
    for pid in re.findall(r"^(\d+)", shown, flags=re.MULTILINE):
        with suppress(ProcessLookupError):  # it has ended with another one
            os.kill(int(pid), signal.SIGKILL)

    assert driver.wait(timeout=60) == 1
    assert workflow.explain("run1").failure == FailureClass.RESOURCES
    assert "signal 9" in workflow.explain("run1").reason


@pytest.fixture(scope="module", autouse=True)
def overtime(slurm_server: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    """A workflow whose job runs out of time, which takes Slurm a minute or two to see."""
    running = Workflow(tmp_path_factory.mktemp("overtime"), slurm_server, "stbc")
    # Slurm on a quiet machine takes 90 s: the job must never end by itself before that.
    job = {"run1": "touch on-run1; sleep 600"}
    running.start(job, "--groups", "transfer=a", "process=b", "publish=c")
    try:
        running.wait_for_start("run1", timeout_s=150)  # before a test closes the queues
        yield running
    finally:
        running.close()


@pytest.mark.waits
def test_a_job_over_its_wall_time_is_noticed(
    overtime: Workflow, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert overtime.end() == 1, overtime.terminal

    monkeypatch.chdir(overtime.folder)
    explanation = overtime.explain("run1")
    log = (overtime.folder / "logs" / "batch" / "b-run1.1.log").read_text()
    assert explanation.failure == FailureClass.RESOURCES, (explanation, log)
    assert "wall time" in explanation.reason
    assert "1 min" in explanation.reason


def test_what_ended_while_no_driver_was_there_is_not_done_again(workflow: Workflow) -> None:
    runs = {"run1": "touch on-run1; sleep 1"}
    driver = workflow.start(runs)
    workflow.wait_for_start("run1")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_until(lambda: workflow.published() == ["run1"], "the job ends by itself")
    wait_until(lambda: not workflow.jobs(), "the job ends by itself")

    assert workflow.run(runs, "--forcerun", "all") == 0, workflow.terminal

    assert workflow.starts("run1") == 1


def test_a_batch_system_that_is_away_harms_nothing(workflow: Workflow) -> None:
    driver = workflow.start({"run1": "touch on-run1; sleep 5", "run2": "true"})
    workflow.wait_for_start("run1")
    workflow.server.stop_controller()
    try:
        time.sleep(5)
        assert driver.poll() is None
    finally:
        workflow.server.start_controller()

    assert driver.wait(timeout=100) == 0, workflow.terminal
    assert workflow.published() == ["run1", "run2"]
    assert workflow.starts("run1") == 1


def test_submission_waits_for_a_batch_system_that_is_away(workflow: Workflow) -> None:
    workflow.server.stop_controller()
    try:
        driver = workflow.start({"run1": "true"})
        wait_until(lambda: "trying again" in workflow.terminal, "a submission fails")
    finally:
        workflow.server.start_controller()

    assert driver.wait(timeout=100) == 0, workflow.terminal
    assert workflow.starts("run1") == 1


def test_a_request_that_no_queue_takes_is_refused_with_a_reason(workflow: Workflow) -> None:
    assert workflow.run({"run1": "true"}, "--set-resources", "process:mem_mb=9000000") == 1

    explanation = workflow.explain("run1")
    assert explanation.failure == FailureClass.CONFIGURATION
    assert "rejects" in explanation.reason


def test_when_all_queues_are_closed_the_run_is_tried_again_later(workflow: Workflow) -> None:
    def set_queues(state: str) -> None:
        for name in slurm.PARTITIONS:
            workflow.server.run("scontrol", "update", f"PartitionName={name}", f"State={state}")

    set_queues("DRAIN")
    try:
        assert workflow.run({"run1": "true"}) == 1, workflow.terminal
    finally:
        set_queues("UP")

    explanation = workflow.explain("run1")
    assert explanation.failure == FailureClass.TRANSIENT
    assert "not available" in explanation.reason
    assert workflow.run({"run1": "true"}) == 0, workflow.terminal


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """Slurm counts ended jobs, too, as long as it remembers them; sbatch itself tries again."""
    with slurm.running_slurm(job_limit=2, remembered_s=2) as small:
        full = Workflow(tmp_path, small, "stbc")
        waits = "touch on-{run}; while [ ! -e go ]; do sleep 0.2; done"
        runs = {run: waits.format(run=run) for run in ("run1", "run2")}
        driver = full.start(runs)
        try:
            # The other's submission is refused as long as the first is there.
            wait_until(lambda: list(tmp_path.glob("on-*")), "the first job starts")
            wait_until(lambda: submitted(tmp_path) == 2, "the second is being submitted")
            assert len(small.jobs()) == 1
            (tmp_path / "go").touch()
            assert driver.wait(timeout=100) == 0, full.terminal
            assert full.published() == ["run1", "run2"]
        finally:
            full.close()


def submitted(folder: Path) -> int:
    """Return how many batch jobs were, or are being, submitted."""
    return len(list(folder.glob(".snakemake/batch/submissions/*")))


def test_status_is_one_query_for_all_jobs(workflow: Workflow, tmp_path: Path) -> None:
    """qstat is counted by a script before the real one."""
    commands = tmp_path / "counting"
    commands.mkdir()
    qstat = commands / "qstat"
    qstat.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/queries\nexec /usr/bin/qstat "$@"\n')
    qstat.chmod(0o755)
    script = tmp_path / "job.sh"
    script.write_text(
        '#!/bin/sh\n# properties = {"rule": "r", "resources": {"mem_mb": 100, "runtime": 1}}\n'
        "marker=\nsleep 60 # --target-jobs r:n=0\n"
    )
    environment = {
        **workflow.server.environment,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "XAMSFLOW_BATCH_INTERVAL_S": "600",
    }
    profile = REPOSITORY / "profiles" / "stbc"

    def call(program: str, argument: str) -> str:
        done = subprocess.run(
            status_command("stbc", argument)
            if program == "status"
            else f"{profile / program} {argument}",
            shell=True,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    jobs = []
    for number in range(10):
        script.write_text(re.sub(r"r:n=\d+", f"r:n={number}", script.read_text()))
        jobs.append(call("submit", str(script)))
    assert len(set(jobs)) == 10
    assert submissions.JOB_NAME.fullmatch(jobs[0])

    assert [call("status", job) for job in jobs * 3] == ["running"] * 30

    assert len((tmp_path / "queries").read_text().splitlines()) == 1
    call("cancel", jobs[0])
    wait_until(lambda: not workflow.jobs(), "a driver's jobs are all cancelled")
