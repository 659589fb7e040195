"""How a job's status comes about; the batch system here says what a test wants."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE

import pytest

from profile_settings import status_command
from xamsflow.base.errors import FailureClass
from xamsflow.batch import cancel, job_end, pbs, poll, status, submissions, systems
from xamsflow.batch.request import Request
from xamsflow.batch.submissions import Submission
from xamsflow.batch.systems import FORGOTTEN, OVER_TIME, SUCCESS, Details, Unreachable


class Scripted:
    """A batch system that says what it is told to; None: it does not respond."""

    def __init__(self) -> None:
        self.queue: set[str] | None = set()
        self.told: dict[str, Details] = {}
        self.queries = 0

    def alive(self) -> frozenset[str]:
        self.queries += 1
        if self.queue is None:
            raise Unreachable("away")
        return frozenset(self.queue)

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        return submissions.matched(jobs, self.told)

    def cancel(self, jobs: Sequence[str]) -> None:
        """Take no notice."""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.chdir(tmp_path)
    scripted = Scripted()
    monkeypatch.setattr(systems, "named", lambda _: scripted)
    monkeypatch.setattr(poll, "INTERVAL_S", 0.0)
    monkeypatch.setattr(poll, "GRACE_S", 0.0)
    return scripted


def submitted(job: str = "12.vm", rule: str = "process") -> Submission:
    members = [(rule, {"run_id": "000932"})]
    submission = submissions.new(Request(f"{rule}-000932", members, 1, 2000, 60))
    submission.set_about(system="pbs", log="no.log", driver="d")
    submission.set_job(job)
    return submission


UNKNOWN = Details(known=False, ended=False, end=None)


def test_a_queued_job_is_running(system: Scripted) -> None:
    submitted()
    system.queue = {"12"}
    assert status.status("pbs", "12.vm") == "running"


@pytest.mark.parametrize(("left", "word"), [("0 n1", "success"), ("1 n1", "failed")])
def test_the_job_s_own_word_comes_first(system: Scripted, left: str, word: str) -> None:
    submitted().marker.write_text(left + "\n")
    system.queue = {"12"}
    assert status.status("pbs", "12.vm") == word
    assert system.queries == 0


def test_a_batch_system_that_is_away_fails_nobody(system: Scripted) -> None:
    submitted()
    system.queue = None
    for _ in range(3):
        assert status.status("pbs", "12.vm") == "running"


def test_the_batch_system_s_word_counts(system: Scripted) -> None:
    submitted()
    system.told = {"12": Details(known=True, ended=True, end=OVER_TIME)}
    assert status.status("pbs", "12.vm") == "failed"


ENDED_WELL = Details(known=True, ended=True, end=SUCCESS)


def test_a_job_that_ended_well_has_left_its_exit_code(
    system: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted daemon of the node reports 0 for a job that was killed."""
    submission = submitted()
    system.told = {"12": ENDED_WELL}
    monkeypatch.setattr(poll, "GRACE_S", 1000.0)
    assert status.status("pbs", "12.vm") == "running"
    monkeypatch.setattr(poll, "GRACE_S", 0.0)
    assert status.status("pbs", "12.vm") == "failed"
    end = job_end.judge(submission)
    assert end is not None
    assert end.failure == FailureClass.TRANSIENT
    assert "left no exit code" in end.reason


def test_an_exit_code_may_show_up_after_the_batch_system_s_word(
    system: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submitted()
    system.told = {"12": ENDED_WELL}
    monkeypatch.setattr(poll, "GRACE_S", 1000.0)
    assert status.status("pbs", "12.vm") == "running"
    submission.marker.write_text("0 n1\n")
    assert status.status("pbs", "12.vm") == "success"


def test_of_a_job_that_was_not_submitted_from_here_only_the_batch_system_knows(
    system: Scripted,
) -> None:
    system.told = {"77": ENDED_WELL}
    assert status.status("pbs", "77.vm") == "success"


def test_a_job_that_a_query_leaves_out_is_looked_at_first(system: Scripted) -> None:
    submitted()
    system.told = {"12": Details(known=True, ended=False, end=None)}
    assert status.status("pbs", "12.vm") == "running"
    system.told = {}
    assert status.status("pbs", "12.vm") == "running"


def test_a_forgotten_job_has_time_to_show_its_exit_code(
    system: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submitted()
    system.told = {"12": UNKNOWN}
    monkeypatch.setattr(poll, "GRACE_S", 1000.0)
    assert status.status("pbs", "12.vm") == "running"
    submission.marker.write_text("0 n1\n")
    assert status.status("pbs", "12.vm") == "success"


def test_a_forgotten_job_has_failed_in_the_end(system: Scripted) -> None:
    submitted()
    system.told = {"12": UNKNOWN}
    assert status.status("pbs", "12.vm") == "running"
    assert status.status("pbs", "12.vm") == "failed"
    explained = job_end.explain("process", {"run_id": "000932"})
    assert explained is not None
    assert explained.failure == FailureClass.TRANSIENT
    assert FORGOTTEN.reason in explained.reason


def test_a_job_from_elsewhere_is_followed_too(system: Scripted) -> None:
    system.queue = {"99"}
    assert status.status("pbs", "99.vm") == "running"
    system.queue, system.told = set(), {"99": Details(known=True, ended=True, end=SUCCESS)}
    assert status.status("pbs", "99.vm") == "success"


@pytest.mark.parametrize("job", ["None", "", "Welcome to stoomboot", "../../x"])
def test_what_is_no_job_has_failed(system: Scripted, job: str) -> None:
    assert status.status("pbs", job) == "failed"


def test_whatever_happens_the_answer_is_one_word(
    system: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: str) -> Submission:
        raise OSError("stale file handle")

    monkeypatch.setattr(submissions, "of_job", broken)
    assert status.main("pbs", "12.vm") == 0
    assert capsys.readouterr().out == "running\n"


def test_one_query_serves_all(system: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "INTERVAL_S", 1000.0)
    for number in range(50):
        submitted(f"{number}.vm")
    system.queue = {str(number) for number in range(50)}
    words = {status.status("pbs", f"{number}.vm") for number in range(50)}
    assert words == {"running"}
    assert system.queries == 1


def test_a_number_that_comes_again_means_the_newer_job(system: Scripted) -> None:
    """A batch system that was set up anew counts from one."""
    submitted("1").marker.write_text("0 n1\n")
    assert status.status("pbs", "1") == "success"
    submitted("1")
    system.queue = {"1"}
    assert status.status("pbs", "1") == "running"


def test_jobs_of_two_servers_with_one_number_are_two_jobs(system: Scripted) -> None:
    """A working directory is used from hosts with different servers."""
    submitted("12.one"), submitted("12.other")
    system.queue = {"12.one"}
    system.told = {"12.other": Details(known=True, ended=True, end=OVER_TIME)}
    assert status.status("pbs", "12.one") == "running"
    assert status.status("pbs", "12.other") == "failed"
    assert status.status("pbs", "12.one") == "running"
    # Nor are those of two batch systems.
    assert submissions.of_job("pbs", "12.one").job == "12.one"
    assert submissions.of_job("slurm", "12.one").job is None


@pytest.mark.parametrize(
    ("job", "listed", "same"),
    [
        ("63.head.openpbs", "63.head.openp*", True),
        ("17.burrell.nikhef.nl", "17.burrell", True),
        ("17.burrell", "17.burrell.nikhef.nl", True),
        ("932", "932", True),
        ("12.ap@vm", "12.ap@vm", True),
        ("12", "12.ap@vm", True),  # its server did not say its name
        ("12.ap1", "12.ap2", False),
        ("63.head", "6.head", False),
        ("25[].vm", "25.vm", False),
    ],
)
def test_a_listed_name_may_be_cut_but_not_another_server_s(job, listed, same) -> None:
    name = next(iter(pbs.parse_table(f"{listed} x x Q x")))
    assert (submissions.matched([job], {name: 1}) == {job: 1}) is same


def test_the_fast_path_in_shell_says_the_same(system: Scripted, tmp_path: Path) -> None:
    running, good, bad = submitted("1.vm"), submitted("2.vm"), submitted("3.vm")
    good.marker.write_text("0 n1\n")
    bad.marker.write_text("143 n1\n")
    poll.INTERVAL_S = 1000.0
    system.queue = {"1"}
    assert status.status("pbs", "1.vm") == "running"

    # Without any command to call: neither qstat nor Python.
    words = [
        subprocess.run(
            status_command("stbc", job), shell=True, env={"PATH": ""}, stdout=PIPE, check=True
        ).stdout
        for job in ("1.vm", "2.vm", "3.vm")
    ]

    assert words == [b"running\n", b"success\n", b"failed\n"]
    assert running.exit_code is None


def test_a_cancelled_job_is_not_taken_up(system: Scripted) -> None:
    submission = submitted()
    assert cancel._cancelled([submission]) == ["12.vm"]
    assert submission.end == systems.CANCELLED


def test_members_of_a_group_are_explained_alike(system: Scripted) -> None:
    members = [("transfer", {"run_id": "000932"}), ("process", {"run_id": "000932"})]
    submission = submissions.new(Request("run-000932", members, 1, 2000, 60))
    submission.set_job("5")
    submission.set_end(OVER_TIME)
    asked = [job_end.explain(rule, wildcards) for rule, wildcards in members]
    assert asked[0] == asked[1]
    assert asked[0] is not None
    assert "wall time" in asked[0].reason
    assert "60 min" in asked[0].reason
    assert job_end.members("transfer", {"run_id": "000932"}) == members


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("=>> PBS: job killed: walltime 41 exceeded limit 10", "wall time"),
        (
            "slurmstepd: error: *** JOB 7 ON vm CANCELLED AT 14:00 DUE TO TIME LIMIT ***",
            "wall time",
        ),
        ("slurmstepd-vm: error: StepId=1.batch exceeded memory limit (2 > 1), being", "memory"),
        ("MemoryError", "memory"),
        ("OpenBLAS error: Memory allocation still failed after 10 retries, giving up.", "memory"),
        ("Command '...' died with <Signals.SIGKILL: 9>.", "signal 9"),
        ("nothing of note", "exit code 1"),
    ],
)
def test_a_log_tells_why(system: Scripted, tmp_path: Path, text: str, said: str) -> None:
    submission = submitted()
    log = tmp_path / "x.log"
    log.write_text(f"x\n{text}\ny\n")
    submission.set_about(log=str(log))
    submission.marker.write_text("1 n1\n")
    explained = job_end.explain("process", {"run_id": "000932"})
    assert explained is not None
    assert said in explained.reason


STILL_ENDING = Details(known=True, ended=False, end=None)
OPENPBS_ENDED = pbs.parse_full(
    "Job Id: 50.server.example\n    job_state = F\n    server = server.example\n"
    "    Exit_status = -29\n"
)["50.server.example"]


class Settling(Scripted):
    """A batch system that takes some questions to say how a job ended."""

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        self.queries += 1
        return dict.fromkeys(jobs, OPENPBS_ENDED if self.queries > 3 else STILL_ENDING)


@pytest.mark.parametrize(
    ("since_s", "failure", "queries"),
    # OpenPBS says that the wall time ran out 22 s after the job's SIGTERM.
    [(22, FailureClass.RESOURCES, 4), (100, FailureClass.TRANSIENT, 1)],
)
def test_the_batch_system_has_time_to_say_why_it_killed_a_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    since_s: float,
    failure: FailureClass,
    queries: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    settling = Settling()
    monkeypatch.setattr(systems, "named", lambda _: settling)
    monkeypatch.setattr(job_end, "ASK_AGAIN_S", 0.0)
    submission = submitted("50")
    submission.marker.write_text("143 n1\n")
    left = submission.marker.stat().st_mtime - since_s
    os.utime(submission.marker, (left, left))

    end = job_end.judge(submission)

    assert end is not None
    assert end.failure == failure
    assert settling.queries == queries


def test_nothing_is_explained_without_a_batch_job(system: Scripted) -> None:
    assert job_end.explain("process", {"run_id": "000001"}) is None
    assert job_end.members("process", {"run_id": "000001"}) == []
    submitted().marker.write_text("0 n1\n")
    assert job_end.explain("process", {"run_id": "000932"}) is None
