"""What becomes of a driver's runs: written into the run document, or kept until it can be."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.base.errors import XamsflowError
from xamsflow.run import failures, journal, notify, policy
from xamsflow.run.claimed_runs import ClaimedRuns
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.run.interrupt import Interrupt
from xamsflow.run.publish import tell_failure
from xamsflow.run.say import say
from xamsflow.settings.config import Config
from xamsflow.state import layout, run_numbers
from xamsflow.state.claims import Claim

if TYPE_CHECKING:  # a run that is not published needs no client of the run database
    from xamsflow.rundb import RunDatabase

STOPPED = "stopped by Ctrl-C"

BEGIN = "claim"
"""The stage of a run that fails before its first job."""


class Outcomes:
    """The ends of a driver's jobs, as the logger plugin reports them; threads may share it.

    `connection` holds the run database for the duration of a block.
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
        self._failed: dict[Path, FailedJob] = {}
        self._done: set[str] = set()
        self._were_done: set[str] = set()

    def was_done(self, run: str) -> None:
        """Note that a run was done when it was claimed: given back, it is done again."""
        with self._lock:
            self._were_done.add(run)

    def cannot_begin(self, database: "RunDatabase", claim: Claim, error: XamsflowError) -> None:
        """Write into the run document that a claimed run has failed before its first job."""
        run = layout.run_id(claim.number)
        say(f"run {run} cannot be begun: {error}")
        pause_s = partial(policy.pause_s, error.failure, retry=self._config.retry)
        database.failed(claim, BEGIN, reason=str(error), failure=error.failure, pause_s=pause_s)
        self._held.forget(run)

    def job_started(self, log: Path) -> None:
        """Note that the job with this log was started, perhaps again after a failure."""
        with self._lock:
            self._reported.discard(log)
            self._failed.pop(log, None)
        # In a group it may never get to start, and to remove what an earlier attempt left to say.
        Failure.file(log).unlink(missing_ok=True)

    def job_failed(self, rule: str, wildcards: Mapping[str, str]) -> None:
        """Write into the run document why a job of a run has failed, at once.

        Snakemake reports each job of a group, and at the end of the workflow all once more: the
        first report counts. What was stored before is registered. Where the run database is away,
        the failure is kept in the journal.
        """
        with self._lock:
            if Path(layout.LOGS[rule].format(**wildcards)) in self._reported:
                return
            self._reported |= failures.reported_together(rule, wildcards)
        rule, log, failure = failures.of_job(rule, wildcards)
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

    def published(self, run: str) -> None:
        """Note that a claimed run's outcome stands in the run document."""
        if self._held.forget(run):
            with self._lock:
                self._done.add(run)
            notify.succeeded(self._config, run)

    def publish_journal(self, database: "RunDatabase") -> None:
        """Publish what is kept on disk from when the run database was away."""
        for run, outcome in journal.publish(database, self._config).items():
            say(f"run {run}: the run document is told now that it is {outcome}")
            if outcome == "done":
                with self._lock:
                    failed = self._failed.items()
                    self._failed = {log: job for log, job in failed if job.run != run}
                self.published(run)

    def give_back(self, database: "RunDatabase", run: str, reason: str) -> bool:
        """Give a held run back, for whoever comes next."""
        claim = self._held.claim(run)
        if claim is None:
            return False
        return database.release(claim, reason, was_done=run in self._were_done)

    def failed_jobs(self) -> list[FailedJob]:
        """Return the jobs that have failed."""
        with self._lock:
            return list(self._failed.values())

    def tell_again(self, database: "RunDatabase") -> None:
        """Write the failures of the runs that are still held once more.

        Another job of a failed run may have reported its start since, and stored something.
        """
        for job in self.failed_jobs():
            claim = self._held.claim(job.run)
            if claim is not None:
                tell_failure(database, claim, job, self._config)

    def summary(self, unfinished: int, given_back: int) -> str:
        """Return a line on how it went, empty where nothing was done."""
        failed = {job.run for job in self.failed_jobs()}
        if not (self._done or failed or unfinished):
            return ""
        return f"{len(self._done)} done, {len(failed)} failed, {given_back} given back"

    def _write_failure(self, job: FailedJob) -> str:
        """Write a failure into the run document; return what a person is told of what follows."""
        claim = self._held.claim(job.run)
        if claim is not None and journal.keeps(claim.number, claim.owner):
            return ""  # it is done, or failed before, and only the run document does not say so
        try:
            with self._connection() as database:
                if not job.failure.interrupted:
                    tell_failure(database, claim, job, self._config)
                elif claim is not None:
                    self.give_back(database, job.run, job.failure.reason)
                    self._held.forget(job.run)
                return _what_next(database, job)
        except XamsflowError as error:
            say(f"run {job.run}: its failure is not in the run document yet: {error}")
            self._keep_failure(job)
            return ""

    def _keep_failure(self, job: FailedJob) -> None:
        """Keep a failure in the journal; where even that fails, the next driver finds out again."""
        claim = self._held.claim(job.run)
        if claim is None or job.failure.interrupted:
            return
        try:
            journal.keep_failure(claim, job, self._config)
        except XamsflowError as error:
            say(f"run {job.run}: its failure cannot be kept either: {error}")


def _what_next(database: "RunDatabase", job: FailedJob) -> str:
    """Return what a person is told besides the reason of a failure."""
    if job.failure.interrupted:
        return "; it waits for the next start"
    (summary,) = database.runs(run_numbers.each([layout.run_number(job.run)]))
    if summary.retry_at is None:
        return "; it is not tried again by itself"
    return f"; it is tried again by a start after {summary.retry_at:%Y-%m-%d %H:%M:%S} UTC"
