"""The outcomes of a driver's runs, written to the run document or kept until that is possible."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.base.errors import TransientError, XamsflowError
from xamsflow.run import failures, journal, notify, policy
from xamsflow.run.claimed_runs import ClaimedRuns
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.run.interrupt import STOPPED, Interrupt
from xamsflow.run.publish import tell_failure
from xamsflow.run.say import say
from xamsflow.settings.config import Config
from xamsflow.state import layout, run_numbers
from xamsflow.state.claims import Claim

if TYPE_CHECKING:  # without an outcome, the run database's client is not needed
    from xamsflow.rundb import RunDatabase

BEGIN = "claim"
"""The stage of a run that fails before its first job."""


class Outcomes:
    """The outcomes of a driver's jobs, as reported by the logger plugin. Thread-safe.

    `connection` holds the run database open for the duration of a block.
    """

    def __init__(
        self,
        config: Config,
        held: ClaimedRuns,
        interrupt: Interrupt,
        connection: "Callable[[], AbstractContextManager[RunDatabase]]",
    ) -> None:
        self._config = config
        self._held = held
        self._interrupt = interrupt
        self._connection = connection
        self._lock = threading.Lock()
        self._reported: set[Path] = set()
        self._latest_logs: dict[Path, Path | None] = {}
        self._failed: dict[Path, FailedJob] = {}
        self._done: set[str] = set()
        self._were_done: set[str] = set()
        self.refused: dict[str, XamsflowError] = {}
        """The reason why the outcome of a run cannot be published although the run database
        responds."""

    def was_done(self, run: str) -> None:
        """Record that a run was done when it was claimed; if released, it becomes done again."""
        with self._lock:
            self._were_done.add(run)

    def cannot_begin(self, database: "RunDatabase", claim: Claim, error: XamsflowError) -> None:
        """Write to the run document that a claimed run failed before its first job.

        If this document cannot be changed, the run is left to the next driver.
        """
        run = layout.run_id(claim.number)
        say(f"run {run} cannot be started: {error}")
        pause_s = partial(policy.pause_s, error.failure, retry=self._config.retry)
        with _one_document(database, run):
            database.failed(claim, BEGIN, reason=str(error), failure=error.failure, pause_s=pause_s)
        self._held.forget(run)

    def job_started(self, log: Path) -> None:
        """Record that the job with this log was started, perhaps again after a failure."""
        with self._lock:
            self._latest_logs[log] = _latest(log)
            self._reported.discard(log)
            self._failed.pop(log, None)
        # A job in a group may never start, and then does not remove the failure of an earlier
        # attempt.
        with contextlib.suppress(OSError):
            Failure.file(log).unlink()

    def job_failed(self, rule: str, wildcards: Mapping[str, str]) -> None:
        """Write the reason for a job's failure to the run document immediately.

        Snakemake reports each job of a group, and all jobs again at the end of the workflow; only
        the first report counts. Data stored before the failure are registered. If the run database
        is unreachable, the failure is kept in the journal.
        """
        with self._lock:
            if Path(layout.LOGS[rule].format(**wildcards)) in self._reported:
                return
            self._reported |= failures.reported_together(rule, wildcards)
        rule, log, failure = failures.of_job(rule, wildcards, self._has_begun)
        if failure.killed and self._interrupt.comes_soon():
            failure = replace(failure, reason=STOPPED, interrupted=True)
        job = FailedJob(rule, wildcards["run_id"], log, failure)
        if not failure.interrupted:
            with self._lock:
                self._failed[log] = job
        what_next = self._write_failure(job)
        say(f"run {job.run}: {rule} failed: {failure.reason} (log: {log}){what_next}")
        if not failure.interrupted:
            notify.failed(self._config, job.run, stage=rule, failure=failure, log=log)

    def is_done(self, run: str) -> bool:
        """Return whether a claimed run is done, even if Snakemake has not reported it yet."""
        return run in self._done or self._held.is_published(run)

    def _has_begun(self, log: Path) -> bool:
        """Return whether the job with this log has started since this driver submitted it."""
        return _latest(log) not in (None, self._latest_logs.get(log))

    def published(self, run: str) -> None:
        """Record that the run document contains the outcome of a claimed run."""
        if self._held.forget(run):
            with self._lock:
                self._done.add(run)
            notify.succeeded(self._config, run)

    def publish_journal(self, database: "RunDatabase") -> None:
        """Publish the outcomes kept on disk while the run database was unreachable."""
        self.refused = {}
        published = journal.publish(database, self._config, self.refused.__setitem__)
        for run, outcome in published.items():
            say(f"run {run}: published in the run document as {outcome}")
            if outcome == "done":
                with self._lock:
                    failed = self._failed.items()
                    self._failed = {log: job for log, job in failed if job.run != run}
                self.published(run)

    def give_back(self, database: "RunDatabase", run: str, reason: str) -> bool:
        """Release a held run for the next driver; return whether its document says so."""
        claim = self._held.claim(run)
        if claim is None:
            return False
        with _one_document(database, run):
            return database.release(claim, reason, was_done=run in self._were_done)
        return False

    def failed_jobs(self) -> list[FailedJob]:
        """Return the jobs that have failed."""
        with self._lock:
            return list(self._failed.values())

    def tell_again(self, database: "RunDatabase") -> None:
        """Rewrite the failures of the runs that are still held.

        Another job of a failed run may have reported its start, and stored data, since then.
        """
        for job in self.failed_jobs():
            claim = self._held.claim(job.run)
            if claim is not None:
                with _one_document(database, job.run):
                    tell_failure(database, claim, job, self._config)

    def summary(self, unfinished: int, given_back: int) -> str:
        """Return a one-line summary, empty if nothing was done."""
        failed = {job.run for job in self.failed_jobs()}
        if not (self._done or failed or unfinished):
            return ""
        return f"{len(self._done)} done, {len(failed)} failed, {given_back} released"

    def told_failures(self, at_most: int) -> list[str]:
        """Return one line for each failed run, as printed when it failed."""
        failed = {job.run: job for job in self.failed_jobs()}
        lines = [
            f"run {job.run}: {job.rule} failed: {job.failure.reason} (log: {job.log})"
            for job in sorted(failed.values(), key=lambda job: job.run)
        ]
        left = len(lines) - at_most
        return [*lines[:at_most], *([f"… and {left} more failed runs"] if left > 0 else [])]

    def _write_failure(self, job: FailedJob) -> str:
        """Write a failure to the run document; return the text that says what follows."""
        claim = self._held.claim(job.run)
        if claim is None:
            return ""  # a single data type was requested, which leaves the run document alone
        if journal.keeps(claim.number, claim.owner):
            return ""  # it is done or failed earlier, which the run document does not say yet
        try:
            with self._connection() as database:
                if not job.failure.interrupted:
                    tell_failure(database, claim, job, self._config)
                else:
                    self.give_back(database, job.run, job.failure.reason)
                    self._held.forget(job.run)
                return _what_next(database, job)
        except XamsflowError as error:
            say(f"run {job.run}: its failure is not in the run document yet: {error}")
            self._keep_failure(job)
            return ""

    def _keep_failure(self, job: FailedJob) -> None:
        """Keep a failure in the journal; if that fails, the next driver determines it again."""
        claim = self._held.claim(job.run)
        if claim is None or job.failure.interrupted:
            return
        try:
            journal.keep_failure(claim, job, self._config)
        except XamsflowError as error:
            say(f"run {job.run}: its failure cannot be saved on disk either: {error}")


@contextlib.contextmanager
def _one_document(database: "RunDatabase", run: str) -> Iterator[None]:
    """Report an error that affects only the document of one run, so that it stops no other run.

    Raises XamsflowError if the run database is unreachable.
    """
    try:
        yield
    except TransientError:
        raise
    except XamsflowError as error:
        database.now()  # raises if the run database is unreachable, for whatever reason
        say(f"run {run}: its outcome cannot be written to the run document: {error}")


def _latest(log: Path) -> Path | None:
    """Return the log of a job's latest attempt, to which its log is a link."""
    try:
        return log.readlink()
    except OSError:  # no link, or no file
        return None


def _what_next(database: "RunDatabase", job: FailedJob) -> str:
    """Return what the message says in addition to the reason for a failure."""
    if job.failure.interrupted:
        return "; it waits for the next `snakemake` run"
    (summary,) = database.runs(run_numbers.each([layout.run_number(job.run)]))
    if summary.retry_at is None:
        return "; it is not retried automatically"
    return (
        "; it is retried by the next `snakemake` run after "
        f"{summary.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    )
