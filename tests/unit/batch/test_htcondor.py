from pathlib import Path

import pytest

from xamsflow.base.errors import FailureClass
from xamsflow.batch import htcondor
from xamsflow.batch.request import Request
from xamsflow.batch.systems import CANCELLED, OVER_MEMORY, OVER_TIME, SUCCESS, End


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("ap1#12.0#99 4 false undefined 0 undefined", SUCCESS),
        ("ap1#12.0#99 4 false undefined 3 undefined", End("exit code 3", FailureClass.UNKNOWN)),
        ("ap1#12.0#99 3 undefined undefined undefined undefined", CANCELLED),
        (
            "ap1#12.0#99 5 undefined undefined undefined 34 Error from slot1@vm: Job has gone over "
            "cgroup memory limit of 128 megabytes.",
            OVER_MEMORY,
        ),
        (
            "ap1#12.0#99 5 undefined undefined undefined 46 The job exceeded allowed job duration "
            "of 10:00",
            OVER_TIME,
        ),
        (
            "ap1#12.0#99 5 undefined undefined undefined 26 The job's runtime is over its limit",
            OVER_TIME,
        ),
    ],
)
def test_how_a_job_ended(line: str, end: End) -> None:
    details = htcondor.parse_jobs(line + "\n")["12.ap1"]
    assert details.ended
    assert details.end == end


def test_a_killed_job() -> None:
    end = htcondor.parse_jobs("ap1#12.0#99 4 true 9 undefined undefined\n")["12.ap1"].end
    assert end is not None
    assert "SIGKILL" in end.reason


def test_a_job_held_for_another_reason_says_so() -> None:
    end = htcondor.parse_jobs("ap1#12.0#99 5 undefined undefined undefined 13 No such file: x\n")[
        "12.ap1"
    ].end
    assert end is not None
    assert end.failure == FailureClass.TRANSIENT
    assert "No such file: x" in end.reason


@pytest.mark.parametrize("status", ["1", "2", "6", "7"])
def test_live_jobs(status: str) -> None:
    line = f"ap1#12.0#99 {status} undefined undefined undefined undefined undefined\n"
    assert not htcondor.parse_jobs(line)["12.ap1"].ended


def test_the_description_takes_no_secrets_along() -> None:
    request = Request("run-1", [], 2, 3000, 190, options=['+UseOS = "el9"'])
    lines = htcondor.description(request, "short", Path("/w/script"), Path("log")).splitlines()
    assert {'+JobCategory = "short"', '+UseOS = "el9"', "request_memory = 3000"} <= {*lines}
    assert "getenv = PATH, HOME, USER, LANG" in lines
    assert lines[-1] == "queue"


def test_a_removed_job_ends_with_all_its_processes() -> None:
    """By SIGTERM only the shell would hear of it, and wait for its command."""
    text = htcondor.description(Request("run-1", [], 1, None, None), None, Path("s"), Path("l"))
    assert "kill_sig = SIGKILL" in text.splitlines()


def test_a_job_s_name_says_which_schedd_has_it() -> None:
    line = "ap1@submit.nikhef.nl#12.0#1732790000"
    assert htcondor.job_name(line) == "12.ap1@submit.nikhef.nl"
    assert htcondor.job_name("undefined") is None
    assert htcondor.parse_jobs(f"{line} 4 false undefined 0 undefined\n").keys() == {
        "12.ap1@submit.nikhef.nl"
    }
