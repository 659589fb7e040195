"""What qsub and qstat print: TORQUE, OpenPBS, and Slurm's wrappers."""

from pathlib import Path

import pytest

from xamsflow.base.errors import FailureClass
from xamsflow.batch import pbs
from xamsflow.batch.commands import Answer
from xamsflow.batch.request import Request
from xamsflow.batch.systems import (
    CANCELLED,
    NOT_STARTED,
    OVER_MEMORY,
    OVER_TIME,
    SUCCESS,
    Details,
    LimitReached,
    QueueClosed,
    QueueRefused,
    Rejected,
    Unreachable,
)

TORQUE_TABLE = """
burrell.nikhef.nl: 
                                                                                  Req'd       Req'd       Elap
Job ID                  Username    Queue    Jobname          SessID  NDS   TSK   Memory      Time    S   Time
----------------------- ----------- -------- ---------------- ------ ----- ------ --------- --------- - ---------
17669259.burrell.nikhe  xams        generic  run-000932        12345     1      1       2gb  24:00:00 R  00:01:05
17669260.burrell.nikhe  xams        generic  run-000933          --      1      1       2gb  24:00:00 Q       -- 
17669261.burrell.nikhe  xams        generic  run-000934         4711     1      1       2gb  24:00:00 C       -- 
17669262.burrell.nikhe  xams        short    run-000935          --      1      1       2gb  04:00:00 H       -- 
17669263.burrell.nikhe  xams        short    run-000936         4712     1      1       2gb  04:00:00 E  00:00:02
25[].burrell.nikhef.nl  xams        short    array               --      1      1       2gb  04:00:00 Q       -- 
"""  # noqa: E501, W291
OPENPBS_TABLE = """
vm: 
                                                            Req'd  Req'd   Elap
Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time
--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----
0.vm            xams     short    run-000932   5012   1   1    2gb 04:00 R 00:00
1.vm            xams     short    run-000933    --    1   1    2gb 04:00 Q   -- 
2[].vm          xams     short    array         --    1   1    2gb 04:00 B   -- 
3.vm            xams     short    run-000934    --    1   1    2gb 04:00 U   -- 
"""  # noqa: W291
SLURM_TABLE = """
vm:
                                                                               Req'd  Req'd   Elap 
Job id               Username Queue    Name                 SessID NDS   TSK   Memory Time Use S Time 
-------------------- -------- -------- -------------------- ------ ----- ----- ------ ----- - -----
1                    root     generic  mem.sh               --         1     1     -- 00:01 C 00:00
3                    root     generic  slp.sh               --         1     1     -- 00:01 R 00:00
4                    root     generic  slp.sh               --         1     1     -- 00:01 Q 00:00
5                    root     generic  out-of-memory        --         1     1     -- 00:01 U 00:00
"""  # noqa: E501, W291


@pytest.mark.parametrize(
    ("printed", "alive"),
    [
        (
            TORQUE_TABLE,
            [
                *(f"{number}.burrell.nikhe" for number in (17669259, 17669260, 17669262, 17669263)),
                "25[].burrell.nikhef.nl",
            ],
        ),
        (OPENPBS_TABLE, ["0.vm", "1.vm", "2[].vm", "3.vm"]),
        (SLURM_TABLE, ["3", "4"]),
        ("", []),
    ],
)
def test_the_table_tells_which_jobs_are_alive(printed: str, alive: list[str]) -> None:
    assert pbs.parse_table(printed) == alive


TORQUE_ENDED = """Job Id: 17669259.burrell.nikhef.nl
    Job_Name = run-000932
    Job_Owner = xams@stbc-i1.nikhef.nl
    job_state = C
    queue = generic
    server = burrell.nikhef.nl
    Error_Path = stbc-i1:/data/xenon/a folder/run-000932.e17669259
    exec_host = wn-lot-001/0
    Variable_List = PBS_O_QUEUE=generic,PBS_O_HOME=/user/xams,
\tPBS_O_LOGNAME=xams
    exit_status = {}

"""
OPENPBS_ENDED = """Job Id: 0.vm
    Job_Name = run-000932
    job_state = F
    queue = short
    server = vm
    Exit_status = {}
    comment = Job run at Mon Nov 23 at 14:51 on (vm:ncpus=1) and failed

"""


@pytest.mark.parametrize(
    ("printed", "job", "end"),
    [
        (TORQUE_ENDED.format(0), "17669259.burrell.nikhef.nl", SUCCESS),
        (TORQUE_ENDED.format(-11), "17669259.burrell.nikhef.nl", OVER_TIME),
        (TORQUE_ENDED.format(-10), "17669259.burrell.nikhef.nl", OVER_MEMORY),
        (TORQUE_ENDED.format(-1), "17669259.burrell.nikhef.nl", NOT_STARTED),
        (OPENPBS_ENDED.format(0), "0.vm", SUCCESS),
        (OPENPBS_ENDED.format(-29), "0.vm", OVER_TIME),
        (OPENPBS_ENDED.format(-27), "0.vm", OVER_MEMORY),
    ],
)
def test_ended_jobs_with_their_own_codes(printed: str, job: str, end: object) -> None:
    assert pbs.parse_full(printed) == {job: Details(known=True, ended=True, end=end)}


def test_the_same_code_means_different_things() -> None:
    """-11 is wall time for TORQUE; for OpenPBS it is a password that was wrong."""
    assert pbs.end_of_code(-11, openpbs=False) == OVER_TIME
    assert pbs.end_of_code(-11, openpbs=True).failure == FailureClass.UNKNOWN


@pytest.mark.parametrize(
    ("code", "failure", "said"),
    [
        (3, FailureClass.UNKNOWN, "exit code 3"),
        (143, FailureClass.TRANSIENT, "SIGTERM"),
        (271, FailureClass.TRANSIENT, "SIGTERM"),
        (265, FailureClass.RESOURCES, "SIGKILL"),
        (137, FailureClass.RESOURCES, "SIGKILL"),
        (139, FailureClass.UNKNOWN, "SIGSEGV"),
    ],
)
def test_exit_codes_and_signals(code: int, failure: FailureClass, said: str) -> None:
    end = pbs.end_of_code(code, openpbs=False)
    assert end.failure == failure
    assert said in end.reason


@pytest.mark.parametrize("template", [TORQUE_ENDED, OPENPBS_ENDED])
def test_a_job_deleted_before_it_ran_has_no_exit_code(template: str) -> None:
    lines = template.splitlines(keepends=True)
    printed = "".join(line for line in lines if "xit_status" not in line)
    (details,) = pbs.parse_full(printed).values()
    assert details == Details(known=True, ended=True, end=CANCELLED)


def test_slurm_s_wrapper_never_says_how_a_job_ended() -> None:
    printed = "Job Id:\t7\n\tJob_Name = x\n\tJob_Owner = a@vm\n\tjob_state = C\n\tqueue = short\n\n"
    assert pbs.parse_full(printed) == {"7": Details(known=True, ended=True, end=None)}


def test_several_jobs_in_one_answer() -> None:
    printed = TORQUE_ENDED.format(0) + "Job Id: 25[].vm\n    job_state = Q\n\n"
    assert set(pbs.parse_full(printed)) == {"17669259.burrell.nikhef.nl", "25[].vm"}
    assert not pbs.parse_full(printed)["25[].vm"].ended


def test_xml_is_no_answer() -> None:
    """TORQUE's qstat -x."""
    assert pbs.parse_full("<Data><Job><Job_Id>0.vm</Job_Id></Job></Data>") == {}


@pytest.mark.parametrize(
    ("printed", "job"),
    [
        ("17669259.burrell.nikhef.nl\n", "17669259.burrell.nikhef.nl"),
        ("0.vm\n", "0.vm"),
        ("1\n", "1"),
        ("25[].vm\n", "25[].vm"),
        ("Welcome to stoomboot!\n2024 was a good year\n\n12.vm\n", "12.vm"),
    ],
)
def test_the_job_is_found_in_what_qsub_prints(printed: str, job: str) -> None:
    assert pbs.job_name(printed) == job


def test_no_job_is_no_job() -> None:
    with pytest.raises(Rejected, match="printed no job"):
        pbs.job_name("Welcome to stoomboot\n")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("qsub: submit error (Unknown queue MSG=cannot locate queue)", QueueRefused),
        ("qsub: Unknown queue", QueueRefused),
        ("sbatch: error: invalid partition specified: multicore", QueueRefused),
        (
            "qsub: submit error (Job exceeds queue resource limits MSG=cannot satisfy queue max "
            "walltime requirement)",
            QueueRefused,
        ),
        ("qsub: Job violates queue and/or server resource limits", QueueRefused),
        (
            "sbatch: error: Batch job submission failed: Requested time limit is invalid "
            "(missing or exceeds some limit)",
            QueueRefused,
        ),
        (
            "qsub: submit error (Maximum number of jobs already in queue MSG=total number of "
            "current user's jobs exceeds the queue limit)",
            LimitReached,
        ),
        ("qsub: would exceed queue generic's per-user limit", LimitReached),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", LimitReached),
        ("Unknown option: z\nUsage:\n", Rejected),
        ("qsub: Bad GID for job execution\n", Rejected),
        (
            "qsub: submit error (Bad GID for job execution MSG=cannot locate group nosuchgroup in "
            "server group file)",
            Rejected,
        ),
        ("qsub: Bad UID for job execution\n", Rejected),
        ("qsub can not be run as root\n", Rejected),
        (
            "qsub: submit error (Queue does not allow nonrerunable jobs MSG=only rerunable jobs "
            "are allowed for queue: user xams@server.example, queue express)",
            QueueRefused,
        ),
        ("qsub: Queue is not enabled\n", QueueClosed),
        (
            "qsub: submit error (Queue is not enabled MSG=queue is disabled: user "
            "xams@server.example, queue express)",
            QueueClosed,
        ),
        (
            "sbatch: error: Batch job submission failed: Required partition not available "
            "(inactive or drain)",
            QueueClosed,
        ),
        ("qsub: submit error (Bad UID for job execution)", Rejected),
        ("qsub: cannot connect to server burrell (errno=111) Connection refused", Unreachable),
        ("Unable to contact slurm controller (connect failure)", Unreachable),
        ("", Unreachable),
    ],
)
def test_refusals(said: str, kind: type) -> None:
    assert type(pbs.refusal(Answer(1, said, ""))) is kind


def test_only_slurm_s_answer_counts_of_what_its_wrapper_prints() -> None:
    said = (
        "There was an error running the Slurm sbatch command.\nThe command was:\n"
        "'/usr/bin/sbatch -N1 -p short /data/partition/job limit/script 2>&1'\n"
        "and the output was:\n'sbatch: error: Socket timed out'\n"
    )
    refusal = pbs.refusal(Answer(1, said, ""))
    assert type(refusal) is Unreachable
    assert str(refusal) == "'sbatch: error: Socket timed out'"


def test_the_command_has_only_what_all_three_understand() -> None:
    request = Request("run-000932", [], cores=2, memory_mb=3000, runtime_min=190)
    command = pbs.qsub(request, "short", Path("script"), Path("/w/logs/x.log"))
    assert command == [
        *("qsub", "-N", "run-000932", "-j", "oe", "-o", "/w/logs/x.log", "-m", "n", "-r", "n"),
        *("-l", "nodes=1:ppn=2,walltime=11400,mem=3000mb", "-q", "short", "script"),
    ]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("run-000932", "run-000932"),
        ("process-000932-raw_records_v1730", "p-000932-raw_re"),
        ("transfer-000932", "transfer-000932"),
        ("publishing-000932", "publishi-000932"),
        ("1st", "x1st"),
    ],
)
def test_names_fit_into_fifteen_characters(name: str, short: str) -> None:
    assert pbs.short_name(name) == short
    assert len(short) <= 15
