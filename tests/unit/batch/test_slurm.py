from pathlib import Path

import pytest

from xamsflow.base.errors import FailureClass
from xamsflow.batch import slurm
from xamsflow.batch.request import Request
from xamsflow.batch.systems import (
    CANCELLED,
    NODE_LOST,
    NOT_STARTED,
    OVER_MEMORY,
    OVER_TIME,
    SUCCESS,
    End,
)

SHOWN = (
    "JobId=2 JobName=slp.sh UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 Nice=0"
    " Account=(null) QOS=(null) JobState={} Reason={} Dependency=(null) Requeue=1 Restarts=0"
    " BatchFlag=1 Reboot=0 ExitCode={} RunTime=00:00:03 TimeLimit=00:01:00\n"
)


@pytest.mark.parametrize(
    ("state", "reason", "code", "end"),
    [
        ("COMPLETED", "None", "0:0", SUCCESS),
        ("TIMEOUT", "TimeLimit", "0:15", OVER_TIME),
        ("DEADLINE", "None", "0:0", OVER_TIME),
        ("OUT_OF_MEMORY", "OutOfMemory", "0:125", OVER_MEMORY),
        ("CANCELLED", "None", "0:9", CANCELLED),
        ("NODE_FAIL", "NodeDown", "1:0", NODE_LOST),
        ("FAILED", "JobLaunchFailure", "0:53", NOT_STARTED),
        ("FAILED", "NonZeroExitCode", "3:0", End("exit code 3", FailureClass.UNKNOWN)),
    ],
)
def test_how_a_job_ended(state: str, reason: str, code: str, end: End) -> None:
    details = slurm.parse_job(SHOWN.format(state, reason, code))
    assert details.known
    assert details.ended
    assert details.end == end


@pytest.mark.parametrize("code", ["0:9", "137:0"])
def test_killed_jobs(code: str) -> None:
    # The reason is what Slurm gives for a batch script that was killed, too.
    end = slurm.parse_job(SHOWN.format("FAILED", "JobLaunchFailure", code)).end
    assert end is not None
    assert end.failure == FailureClass.RESOURCES
    assert "SIGKILL" in end.reason


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED"])
def test_live_jobs(state: str) -> None:
    details = slurm.parse_job(SHOWN.format(state, "None", "0:0"))
    assert details.known
    assert not details.ended


def test_the_command() -> None:
    request = Request("run-1", [], 2, 3000, 190, options=["--account=xams"])
    command = slurm.sbatch(request, "short", Path("script"), Path("log"))
    assert command[:2] == ["sbatch", "--parsable"]
    assert {"--cpus-per-task=2", "--mem=3000M", "--time=190", "--partition=short"} <= {*command}
    assert command[-2:] == ["--account=xams", "script"]
