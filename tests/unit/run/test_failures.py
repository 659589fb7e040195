import os
from pathlib import Path

import pytest

from xamsflow.base.errors import FailureClass
from xamsflow.batch import job_end, submissions, submit
from xamsflow.batch.request import Request
from xamsflow.batch.systems import OVER_MEMORY, OVER_TIME, End
from xamsflow.run import failures
from xamsflow.run.failures import Failure
from xamsflow.state import layout, receipts

WILDCARDS = {"run_id": "000932", "data_type": "raw_records_v1730"}
LOG = Path(layout.PROCESS_LOG.format(**WILDCARDS))


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LOG.parent.mkdir(parents=True)


def test_a_failure_is_read_as_it_was_left():
    failure = Failure("chunk 3 is gone", FailureClass.BAD_DATA)
    failure.write(Failure.file(LOG))
    assert failures.of_job("process", WILDCARDS) == ("process", LOG, failure)


@pytest.mark.parametrize("content", [None, "", "{}", '{"reason": "x", "failure": "y"}'])
def test_a_job_that_left_nothing_was_killed(content):
    if content is not None:
        Failure.file(LOG).write_text(content)
    rule, log, failure = failures.of_job("process", WILDCARDS)
    assert (rule, log) == ("process", LOG)
    assert failure.failure is FailureClass.UNKNOWN
    assert str(LOG) in failure.reason


def test_what_a_killed_job_said_counts_if_nobody_knows_better():
    failure = Failure("stopped by SIGTERM", FailureClass.TRANSIENT, killed=True)
    failure.write(Failure.file(LOG))
    assert failures.of_job("process", WILDCARDS)[2] == failure


def test_a_receipt_is_no_failure():
    receipts.write(layout.transfer_receipt("000932"), {})
    assert Failure.left_by(LOG) is None


def test_each_job_has_its_own():
    assert Failure.file(Path("logs/process/000932.a.log")) != Failure.file(
        Path("logs/process/000932.b.log")
    )


GROUP = [
    ("transfer", {"run_id": "000932"}),
    ("process", WILDCARDS),
    ("publish", {"run_id": "000932"}),
]


def submitted(driver):
    submission = submissions.new(Request("run-000932", GROUP, 1, 2000, 60))
    submission.set_about(driver=driver, system="pbs")
    submission.set_job("12.vm")
    return submission


def test_a_batch_job_explains_the_failures_of_its_own_driver():
    submitted(submissions.this_driver()).set_end(OVER_TIME)
    rule, _, failure = failures.of_job("process", WILDCARDS)
    assert rule == "transfer"
    assert "wall time" in failure.reason


def test_an_earlier_driver_s_batch_job_does_not_explain_what_runs_without_one_now():
    submitted("host:1:1:boot").set_end(OVER_TIME)
    assert failures.reported_together("process", WILDCARDS) == {LOG}
    rule, log, failure = failures.of_job("process", WILDCARDS)
    assert (rule, log) == ("process", LOG)
    assert "wall time" not in failure.reason


def test_the_next_batch_job_gets_the_memory_that_a_job_says_it_lacked():
    """TORQUE limits memory so that the job itself gets an error, and reports exit code 1."""
    submission = submitted(submissions.this_driver())
    submission.marker.write_text("1 n1\n")
    Failure("out of memory: ask for more", FailureClass.RESOURCES).write(Failure.file(LOG))
    assert failures.of_job("publish", {"run_id": "000932"})[0] == "process"
    Failure.file(LOG).unlink()  # as the next driver starts the job

    end = job_end.judge(submission)

    wanted = Request("run-000932", GROUP, 1, 2000, 60)
    assert submit.grown(wanted, submission, end).memory_mb == 4000


def test_empty_logs_made_after_the_batch_job_s_end_change_nothing():
    """Snakemake creates them for the jobs of a group that never started."""
    submission = submitted(submissions.this_driver())
    submission.marker.write_text("1 n1\n")
    failure = Failure("chunk 3 is gone", FailureClass.BAD_DATA)
    failure.write(Failure.file(LOG))
    late = submission.marker.stat().st_mtime + 10
    logs = {Path(layout.LOGS[rule].format(**wildcards)) for rule, wildcards in GROUP}
    for log in logs:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        os.utime(log, (late, late))
    for rule, wildcards in GROUP:
        assert failures.of_job(rule, wildcards) == ("process", LOG, failure)
        assert failures.reported_together(rule, wildcards) == logs


OTHER = {"run_id": "000933", "data_type": "raw_records_v1730"}


def shared(driver):
    others = [
        ("transfer", {"run_id": "000933"}),
        ("process", OTHER),
        ("publish", {"run_id": "000933"}),
    ]
    submission = submissions.new(Request("runs-000932", [*GROUP, *others], 1, 2000, 60))
    submission.set_about(driver=driver, system="pbs")
    submission.set_job("12.vm")
    return submission


def test_a_run_fails_for_its_own_reason_and_requests_nothing_for_others():
    submission = shared(submissions.this_driver())
    submission.marker.write_text("1 n1\n")
    own = Failure("out of memory: ask for more", FailureClass.RESOURCES)
    own.write(Failure.file(LOG))
    assert failures.of_job("publish", {"run_id": "000932"}) == ("process", LOG, own)
    assert submission.said is None
    other = failures.of_job("process", OTHER)[2]
    assert own.reason not in other.reason


def test_a_run_that_has_not_begun_when_its_batch_job_ends_has_not_failed():
    shared(submissions.this_driver()).set_end(OVER_TIME)
    _, _, failure = failures.of_job("process", OTHER, lambda log: "000932" in log.name)
    assert failure.interrupted
    assert "wall time" in failure.reason
    _, _, failure = failures.of_job("process", WILDCARDS, lambda log: "000932" in log.name)
    assert (failure.failure, failure.interrupted) == (FailureClass.RESOURCES, False)
    assert "wall time" in failure.reason


REFUSED = End("the batch system rejects the job: invalid account", FailureClass.CONFIGURATION)


@pytest.mark.parametrize("end", [REFUSED, OVER_TIME, OVER_MEMORY])
def test_a_batch_job_that_ends_before_any_of_its_runs_begins_fails_them_all(end):
    """If it gave them back, the next driver would repeat it, forever."""
    shared(submissions.this_driver()).set_end(end)
    for wildcards in (WILDCARDS, OTHER):
        _, _, failure = failures.of_job("process", wildcards, lambda _log: False)
        assert (failure.failure, failure.interrupted) == (end.failure, False)
        assert end.reason in failure.reason


def test_a_canceled_batch_job_fails_no_run_that_has_not_begun():
    shared(submissions.this_driver()).set_end(End("canceled", FailureClass.TRANSIENT))
    assert failures.of_job("process", OTHER, lambda _log: False)[2].interrupted


def test_a_run_that_an_earlier_driver_saw_done_has_begun():
    shared(submissions.this_driver()).set_end(OVER_TIME)
    receipts.write(layout.transfer_receipt("000932"), {})
    assert failures.of_job("process", OTHER, lambda _log: False)[2].interrupted
