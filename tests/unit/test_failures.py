from pathlib import Path

import pytest

from xamsflow.errors import FailureClass
from xamsflow.failures import Failure


def test_a_failure_is_read_as_it_was_left(tmp_path):
    log = tmp_path / "000932.raw_records_v1730.log"
    failure = Failure("chunk 3 is gone", FailureClass.BAD_DATA)
    failure.write(Failure.file(log))
    assert Failure.of_job(log) == failure


@pytest.mark.parametrize("content", [None, "", "{}", '{"reason": "x", "failure": "y"}'])
def test_a_job_that_left_nothing_was_killed(tmp_path, content):
    log = tmp_path / "000932.log"
    if content is not None:
        Failure.file(log).write_text(content)
    failure = Failure.of_job(log)
    assert failure.failure is FailureClass.UNKNOWN
    assert str(log) in failure.reason


def test_each_job_has_its_own():
    assert Failure.file(Path("logs/process/000932.a.log")) != Failure.file(
        Path("logs/process/000932.b.log")
    )
