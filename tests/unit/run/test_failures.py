import os
from pathlib import Path

import pytest

from xamsflow.base.errors import FailureClass
from xamsflow.batch import submissions
from xamsflow.batch.request import Request
from xamsflow.batch.systems import OVER_TIME
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


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_earlier_batch_job_does_not_explain_what_ran_elsewhere_since(elsewhere):
    members = [("transfer", {"run_id": "000932"}), ("process", WILDCARDS)]
    submission = submissions.new(Request("run-000932", members, 1, 2000, 60))
    submission.set_job("12.vm")
    submission.set_end(OVER_TIME)
    ended = (submission.folder / "end.json").stat().st_mtime
    LOG.with_suffix(".1.log").touch()
    LOG.symlink_to(LOG.with_suffix(".1.log").name)
    started = ended + (10 if elsewhere else -10)
    os.utime(LOG, (started, started), follow_symlinks=False)

    rule, log, failure = failures.of_job("process", WILDCARDS)

    assert (rule, log) == (("process", LOG) if elsewhere else ("transfer", log))
    assert ("wall time" in failure.reason) is not elsewhere
