"""The reason for a job's failure, written next to its log for the driver to publish."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from xamsflow.base.errors import FailureClass, XamsflowError
from xamsflow.batch import job_end, submissions
from xamsflow.state import layout, receipts


@dataclass(frozen=True)
class Failure:
    """One line for people, and the class that decides what happens next.

    `interrupted`: a person stopped the job; the run itself is unaffected. `killed`: the job was
    ended from outside, for an unknown reason.
    """

    reason: str
    failure: FailureClass
    interrupted: bool = False
    killed: bool = False

    @staticmethod
    def file(log: Path) -> Path:
        """Return the file to which the job with this log writes its failure."""
        return log.with_suffix(".failure.json")

    def write(self, path: Path) -> None:
        """Write the failure."""
        receipts.write(path, asdict(self))

    @classmethod
    def left_by(cls, log: Path) -> "Failure | None":
        """Return the failure that the job with this log has written, or None if there is none."""
        try:
            left = receipts.read(cls.file(log))
            return cls(
                left["reason"],
                FailureClass(left["failure"]),
                left["interrupted"],
                left.get("killed", False),
            )
        except (FileNotFoundError, XamsflowError, KeyError, ValueError):
            return None


@dataclass(frozen=True)
class FailedJob:
    """A failed job of the workflow, with its run, its log and the reason."""

    rule: str
    run: str
    log: Path
    failure: Failure


def reported_together(rule: str, wildcards: Mapping[str, str]) -> set[Path]:
    """Return the logs of a run's jobs that are reported as failed if one of them has failed."""
    return {
        Path(layout.LOGS[name].format(**values))
        for name, values in _together(rule, wildcards)
        if values["run_id"] == wildcards["run_id"]
    }


def _together(rule: str, wildcards: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return rule and wildcards of the jobs in a job's batch job, or of the job itself."""
    members = job_end.members(rule, wildcards, submissions.this_driver())
    return members or [(rule, dict(wildcards))]


def of_job(
    rule: str, wildcards: Mapping[str, str], has_begun: Callable[[Path], bool] = lambda _log: True
) -> tuple[str, Path, Failure]:
    """Return which rule failed, its log, and why, when Snakemake reports a job as failed.

    Snakemake reports every job of a group as failed, whichever one failed, so all jobs of a run get
    the same answer. A killed job writes no failure, or an inexact one; in that case, the batch
    system is queried. `has_begun` tells from a job's log whether the job has started. A run that
    had not started when its shared batch job was canceled or ended has not failed. If none of the
    runs had started, all of them failed for the reason that ended the batch job.
    """
    driver = submissions.this_driver()
    everything = _together(rule, wildcards)
    together = [one for one in everything if one[1]["run_id"] == wildcards["run_id"]]
    shared = len(together) < len(everything)
    together.sort(key=lambda member: list(layout.RECEIPTS).index(member[0]))
    jobs = [
        (
            name,
            Path(layout.LOGS[name].format(**values)),
            Path(layout.RECEIPTS[name].format(**values)),
        )
        for name, values in together
    ]
    said = [(name, log, left) for name, log, _ in jobs if (left := Failure.left_by(log))]
    for name, log, left in said:
        if not left.killed:
            if not shared:  # what one run lacks is no reason to request more for others
                job_end.keep(rule, wildcards, driver, left.reason, left.failure)
            return name, log, left
    name, log = next(((name, log) for name, log, made in jobs if not made.exists()), jobs[-1][:2])
    explained = job_end.explain(rule, wildcards, driver)
    transient = explained is None or explained.failure is FailureClass.TRANSIENT
    began = any(has_begun(log) for _, log, _ in jobs)
    if shared and not began and (transient or _any_began(everything, has_begun)):
        why = "it ended" if explained is None else explained.reason
        reason = f"not started, because the batch job that it shares with other runs ended: {why}"
        return name, log, Failure(reason, FailureClass.TRANSIENT, interrupted=True)
    if explained is not None:
        # A transient end is that of a canceled job: perhaps by Ctrl-C at this driver.
        return name, log, Failure(explained.reason, explained.failure, killed=transient)
    if said:
        return said[0]
    return name, log, _of_log(log)


def _any_began(jobs: list[tuple[str, dict[str, str]]], has_begun: Callable[[Path], bool]) -> bool:
    """Return whether one of these jobs has started, or has ended for an earlier driver."""
    return any(
        has_begun(Path(layout.LOGS[name].format(**values)))
        or Path(layout.RECEIPTS[name].format(**values)).exists()
        for name, values in jobs
    )


def _of_log(log: Path) -> Failure:
    """Return the reason why a job ended that left only a log."""
    try:
        receipts.check_writable(log.parent)
    except XamsflowError as error:  # so it could not write anything
        return Failure(str(error), error.failure)
    if end := job_end.last_words(log):
        return Failure(f"{end.reason}: see {log}", end.failure or FailureClass.UNKNOWN)
    reason = f"the job ended without a message: killed, out of memory or out of time? see {log}"
    return Failure(reason, FailureClass.UNKNOWN, killed=True)
