"""profiles/slurm on a real Slurm."""

import os
from pathlib import Path

import pytest

from batch_scenarios import *  # noqa: F403 - the tests that all batch systems share
from batch_workflow import Workflow, long, wait_until
from servers import slurm
from servers.slurm import Slurm
from xamsflow.base.errors import FailureClass
from xamsflow.batch import submissions
from xamsflow.batch.job_end import explain
from xamsflow.batch.request import Request
from xamsflow.operate.doctor import batch_system
from xamsflow.operate.reconcile.evidence import batch_jobs
from xamsflow.run import start

PROFILE = "slurm"
"""What the fixture `workflow` works by."""

pytestmark = pytest.mark.skipif(
    bool(slurm.missing()), reason=f"not installed: {', '.join(slurm.missing())}"
)


def test_one_fails_and_one_is_cancelled_while_another_goes_on(workflow: Workflow) -> None:
    driver = workflow.start({"run1": "exit 3", "run2": "true", **long("run3")})
    workflow.wait_for_start("run3")
    workflow.server.run("scancel", workflow.job("run3"))

    assert driver.wait(timeout=60) == 1, workflow.terminal

    assert workflow.published() == ["run2"]
    assert explain("process", {"run": "run2"}) is None
    assert workflow.explain("run3").failure == FailureClass.TRANSIENT
    assert "canceled" in workflow.explain("run3").reason


def test_the_queue_is_asked_which_runs_have_a_job(workflow: Workflow, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nsleep 100\n")
    sbatch = ["sbatch", "--parsable", "--time=1", "--mem=100", f"--output={os.devnull}"]
    job = workflow.server.run(*sbatch, str(script)).strip()
    submission = submissions.new(Request("r", [("process", {"run_id": "000932"})], 1, 100, 1))
    submission.set_about(system="slurm")
    submission.set_job(job)
    assert batch_jobs() == {"000932": [job]}
    workflow.server.run("scancel", job)
    wait_until(lambda: batch_jobs() == {}, "the job has gone")


def test_no_batch_job_gets_the_password(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_USER", "secret-user")
    monkeypatch.setenv("MONGO_PASSWORD", "secret-word")
    record = "scontrol show job $SLURM_JOB_ID >record; scontrol write batch_script $SLURM_JOB_ID -"
    assert workflow.run({"run1": f"env >environment; {record} >>record"}) == 0, workflow.terminal
    assert "SLURM_JOB_ID" in (workflow.folder / "environment").read_text()
    assert "JobId=" in (workflow.folder / "record").read_text()
    for folder in (workflow.folder, workflow.server.folder):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                assert b"secret-word" not in content and b"secret-user" not in content, path


def test_the_doctor_asks_the_batch_system(
    slurm_server: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", slurm_server.environment["PATH"])
    monkeypatch.setenv("SLURM_CONF", slurm_server.environment["SLURM_CONF"])
    for profile in ("stbc", "slurm"):
        (result,) = batch_system.examine(start.profile_folder(profile))
        assert result.verdict == "ok", result
        assert "; your jobs: " in result.value
    monkeypatch.setenv("SLURM_CONF", "/nonexistent")  # Slurm's commands try for 20 s
    (result,) = batch_system.examine(start.profile_folder("stbc"))
    assert result.verdict == "problem", result
    assert "does not respond" in result.value
