"""What must happen whatever the batch system: tests for the modules of each, which import them."""

import os
import signal

from batch_workflow import Workflow, long, press_ctrl_c, wait_until

__all__ = [
    "test_a_killed_driver_s_successor_takes_up_its_jobs",
    "test_ctrl_c_cancels_all_jobs",
]


def test_ctrl_c_cancels_all_jobs(workflow: Workflow) -> None:
    runs = ("run1", "run2")
    driver = workflow.start(long(*runs))
    workflow.wait_for_start(*runs)

    assert press_ctrl_c(driver) != 0
    wait_until(lambda: not workflow.jobs(), "all batch jobs are gone")
    # Nobody takes up a job that was cancelled.
    for run in runs:
        (workflow.folder / f"on-{run}").unlink()
    assert workflow.run(dict.fromkeys(runs, "true")) == 0, workflow.terminal


def test_a_killed_driver_s_successor_takes_up_its_jobs(workflow: Workflow) -> None:
    waits = "touch on-{run}; while [ ! -e go ]; do sleep 0.2; done"
    runs = {run: waits.format(run=run) for run in ("run1", "run2")}
    driver = workflow.start(runs)
    workflow.wait_for_start(*runs)
    jobs = [workflow.job(run) for run in runs]
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()

    successor = workflow.start(runs)
    wait_until(lambda: workflow.terminal.count("keeping batch job") == 2, "the jobs are taken up")
    (workflow.folder / "go").touch()

    assert successor.wait(timeout=60) == 0, workflow.terminal
    assert workflow.published() == list(runs)
    assert [workflow.job(run) for run in runs] == jobs
    assert [workflow.starts(run) for run in runs] == [1, 1]
