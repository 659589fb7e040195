"""Determine how a batch job ended, from its exit code, its log and the batch system."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xamsflow.base.errors import FailureClass
from xamsflow.batch import submissions, systems
from xamsflow.batch.request import target
from xamsflow.batch.submissions import Submission
from xamsflow.batch.systems import OVER_MEMORY, OVER_TIME, End, Unreachable

SETTLED_WITHIN_S = 60.0
"""How long the batch system may take to record the end of a job that has written its exit code.

OpenPBS took 22 s after the wall time had run out.
"""
ASK_AGAIN_S = 2.0
LOG_TAIL_BYTES = 20_000

IN_LOGS = (
    (re.compile(r"PBS: job killed: walltime|DUE TO TIME LIMIT"), OVER_TIME),
    (
        re.compile(
            r"PBS: job killed: (?:p?v?mem)|oom.kill|Out Of Memory|Exceeded (?:job|step) memory"
            r"|exceeded memory limit|MemoryError|Cannot allocate memory|bad_alloc"
            r"|LLVM ERROR: out of memory|failed to map segment"
            r"|OpenBLAS error: Memory allocation"
        ),
        OVER_MEMORY,
    ),
    (re.compile(r"died with <Signals\.SIGKILL|^Killed\b", re.MULTILINE), systems.by_signal(9)),
    (re.compile(r"died with <Signals\.SIGSEGV|Segmentation fault"), systems.by_signal(11)),
    (re.compile(r"died with <Signals\.SIGBUS|Bus error"), systems.by_signal(7)),
)
"""Messages of batch systems, shells and Snakemake in a job's output; the first match counts."""


class Explanation(NamedTuple):
    """One line for people, and the class that decides what happens next."""

    reason: str
    failure: FailureClass


def members(
    rule: str, wildcards: Mapping[str, str], driver: str | None = None
) -> list[tuple[str, dict[str, str]]]:
    """Return rule and wildcards of all workflow jobs in a job's newest batch job.

    If a job of a group fails, Snakemake reports every job of the group as failed. The result is
    empty if no batch system was used (by `driver`, if given).
    """
    submission = _newest(rule, wildcards, driver)
    about = submission.about if submission is not None else {}
    return [(name, dict(values)) for name, values in about.get("members", [])]


def explain(
    rule: str, wildcards: Mapping[str, str], driver: str | None = None
) -> Explanation | None:
    """Return why the batch job of a workflow job failed.

    None if no batch system was used (`driver` as for :func:`members`) or the batch job did not
    fail. A job of a group gets the explanation for the group's batch job. The reason that the job
    itself has left is more precise, unless the job was killed. Because the batch system is queried,
    this may take a minute.
    """
    submission = _newest(rule, wildcards, driver)
    if submission is None:
        return None
    end = judge(submission)
    if end is None or end.failure is None:  # the latter only for the type
        return None
    return Explanation(_in_words(submission, end), end.failure)


def keep(
    rule: str, wildcards: Mapping[str, str], driver: str, reason: str, failure: FailureClass
) -> None:
    """Record with the batch job why one of its workflow jobs failed, as that job reported.

    The job's own file is deleted when the job restarts, but the next submission needs the reason:
    with TORQUE's memory limits the job itself gets an error, and TORQUE reports only exit code 1.
    """
    submission = _newest(rule, wildcards, driver)
    if submission is not None:
        submission.set_said(End(reason, failure))


def _newest(rule: str, wildcards: Mapping[str, str], driver: str | None) -> Submission | None:
    submission = submissions.newest(target(rule, wildcards))
    if submission is None or driver not in (None, submission.about.get("driver")):
        return None
    return submission


def judge(submission: Submission) -> End | None:
    """Return how a submission failed, or None if it did not fail or is still alive."""
    code = submission.exit_code
    if code == 0 or (code is None and (submission.end is None or submission.end.failure is None)):
        return None
    in_log = last_words(Path(str(submission.about.get("log"))))
    if in_log in (OVER_TIME, OVER_MEMORY):
        return in_log
    if code is None:
        return submission.end
    if code > 128:
        told = submission.end or _as_the_batch_system_says(submission)
        ours = systems.by_signal(code - 128)
        # The batch system's exit code adds nothing to the one that the job wrote.
        return told if told and told.failure and "exit code" not in told.reason else ours
    return submission.said or in_log or End(f"exit code {code}", FailureClass.UNKNOWN)


def last_words(log: Path) -> End | None:
    """Return the end that the last lines of a job's output indicate, or None if they do not."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except OSError:
        return None
    return next((end for pattern, end in IN_LOGS if pattern.search(tail)), None)


def _as_the_batch_system_says(submission: Submission) -> End | None:
    job = submission.job
    if job is None:
        return None
    system = systems.named(submission.about["system"])
    while True:
        try:
            told = system.details([job]).get(job)
        except Unreachable:
            return None
        if told is None or not told.known or told.ended:
            return told.end if told else None
        if submission.exit_code_age_s() > SETTLED_WITHIN_S:
            return None
        time.sleep(ASK_AGAIN_S)


def _in_words(submission: Submission, end: End) -> str:
    about = submission.about
    if submission.job is None:
        return end.reason
    asked = [f"{about.get('cores')} core" + ("" if about.get("cores") == 1 else "s")]
    if about.get("memory_mb") is not None:
        asked.append(f"{about['memory_mb']} MB")
    if about.get("runtime_min") is not None:
        asked.append(f"{about['runtime_min']} min")
    node = f" on {submission.node}" if submission.node else ""
    return (
        f"batch job {submission.job}{node}: {end.reason} "
        f"(requested {', '.join(asked)}; see {about.get('log')})"
    )
