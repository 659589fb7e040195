"""The driver: the process that a person starts, which is responsible for the runs it claims.

It claims runs while Snakemake builds the DAG, learns from the logger plugin how each job ended,
and releases the remaining runs when it ends. Jobs do not use this module: they report only their
own start and, if all goes well, publish.
"""

import atexit
import contextlib
import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.base.folders import existing, is_writable
from xamsflow.base.signal_thread import handle_in_thread
from xamsflow.batch import cancel, here
from xamsflow.run import notify, packing, requests
from xamsflow.run.claimed_runs import ClaimedRuns, set_published_aside
from xamsflow.run.heartbeat import beating
from xamsflow.run.interrupt import Interrupt
from xamsflow.run.overhead import Stopwatch
from xamsflow.run.packing import Packed
from xamsflow.run.say import say
from xamsflow.run.watchdog import Watchdog
from xamsflow.settings.config import Config
from xamsflow.state import layout, owner, receipts
from xamsflow.state.claims import Claim

if TYPE_CHECKING:  # parsing the Snakefile must not load the run database's client
    from xamsflow.run.outcomes import Outcomes
    from xamsflow.rundb import ClaimedRun, PendingRun, RunDatabase

BATCH_JOB = "run"
"""The group of rules that the profiles combine into one batch job per run."""

GARBAGE = 100_000
"""How many new objects trigger Python's garbage collection. Snakemake's objects for thousands of
jobs live to the end; scanning them at the usual interval (700) takes a tenth of the startup time.
"""

SHOWN_FAILURES = 10
"""Maximum number of failures that are repeated at the end."""

NONE_WAITING = "no runs are waiting; xamsflow why RUN explains why a run is not processed"


class Driver:
    """This process: what it claims, and how it ends. Until used, it queries and writes nothing.

    The arguments are those of :func:`configure`.
    """

    def __init__(
        self,
        config: Config,
        submit: Callable[[], str | None],
        data_types: Collection[str] | None = None,
    ) -> None:
        self._config = config
        self._submit = submit
        self._data_types = data_types
        self._directory = Path.cwd()
        self._owner = str(owner.current())
        self._held = ClaimedRuns(config)
        self._interrupt = Interrupt()
        self._watchdog = Watchdog()
        self._stopwatch = Stopwatch()
        self._not_begun: set[str] = set()
        self._packed: dict[str, Packed] = {}
        self.packs: dict[str, int] = {}
        """The number of runs that share each batch job, by its name."""
        self._exit = contextlib.ExitStack()
        self._database: RunDatabase | None = None

    # Called by the rules

    def preview_pending(self) -> list[str]:
        """Return the runs that the driver would claim now, in order; write nothing."""
        from xamsflow.run import selecting  # noqa: PLC0415

        with self._connection() as database:
            runs = selecting.to_take(database, self._config.select)
        possible: dict[str, None] = {}
        for run in runs:
            name = layout.run_id(run.number)
            self._held.want(run.number, run.mode, is_taken=run.is_taken, targets=run.targets)
            try:
                self._check_targets(name)
                possible[name] = None
            except ConfigurationError as error:
                say(f"run {name} cannot be started: {error}")
        if not runs:
            say(NONE_WAITING)
        return list(possible)

    def preview(self, run: str) -> None:
        """Determine the data types that a requested run needs; write nothing.

        Raises ConfigurationError if the run is unknown.
        """
        if not self._held.is_wanted(run):
            number = layout.run_number(run)
            with self._connection() as database:
                self._want(number, database.get(number))

    def targets(self, run: str) -> tuple[str, ...]:
        """Return the targets of a run; its jobs know them from the claim."""
        return self._held.targets(run)

    def follows(self, run: str) -> bool:
        """Return whether a run is, or was, followed while it is being taken."""
        return self._held.follows(run)

    def shortages(self, run: str) -> int:
        """Return how often a run ran out of resources; its jobs know it from the claim."""
        return self._held.shortages(run)

    def batch_job(self, run: str) -> str:
        """Return the name of the batch job of a run, which short runs share."""
        packed = self._packed.get(run)
        return BATCH_JOB if packed is None else packed.pack

    def minutes(self, run: str) -> int | None:
        """Return the wall time that a job of a run requests, None for what the rule requests."""
        packed = self._packed.get(run)
        return None if packed is None else packed.minutes

    def take_pending(self) -> list[str]:
        """Claim the pending runs, and those left by a dead driver; return them in order.

        Failed runs that are due for a retry count as pending. If another driver claims a run at the
        same moment, that driver keeps it.
        """
        from xamsflow.run import selecting  # noqa: PLC0415
        from xamsflow.rundb import ClaimedRun, PendingRun  # noqa: PLC0415

        database, select = self._open(), self._config.select
        self._outcomes.publish_journal(database)
        wanted = {
            run: self._held.want(run.number, run.mode, is_taken=run.is_taken, targets=run.targets)
            for run in selecting.to_take(database, select)
        }
        reprocess = {run.number for run in wanted if run.reprocess}
        stranded = {run: to for run, to in wanted.items() if isinstance(run, ClaimedRun)}
        self._hold(database, database.take_over(stranded, self._owner), reprocess=reprocess)
        pending = {run: to for run, to in wanted.items() if isinstance(run, PendingRun)}
        claimed = database.claim_pending(pending, self._owner, select.force_tags)
        self._hold(database, claimed, reprocess=reprocess)
        held = self._held.all()
        if self._submit():
            self._pack([run for run in wanted if layout.run_id(run.number) in held])
        if not held:
            self.check_all()
            say(NONE_WAITING)
        in_turn = dict.fromkeys(layout.run_id(run.number) for run in wanted)
        return [run for run in in_turn if run in held]

    def _pack(self, runs: "Sequence[ClaimedRun | PendingRun]") -> None:
        """Decide which of the claimed runs share a batch job.

        A run that is followed, or that has failed before, gets its own. Campaign runs do not share
        batch jobs with other runs, which must not wait for them.
        """
        from xamsflow.rundb import PendingRun  # noqa: PLC0415

        waiting: dict[str | None, dict[str, float]] = {}
        stranded: dict[str, float] = {}
        for run in runs:
            name = layout.run_id(run.number)
            if run.length_s is None or self.follows(name):
                continue
            if not isinstance(run, PendingRun):
                stranded[name] = run.length_s
            elif run.retry_at is None:
                waiting.setdefault(run.campaign, {})[name] = run.length_s
        if max([len(stranded), *map(len, waiting.values())]) > 1:
            speed = packing.learn()
            self._packed = packing.left_together(stranded, speed)
            for lengths_s in waiting.values():
                self._packed |= packing.pack(lengths_s, speed)
            self.packs |= Counter(packed.pack for packed in self._packed.values())

    def check_all(self) -> None:
        """Raise BadDataError, for the exit code, if a run is stuck in this working directory.

        A run is stuck if it was claimed but could not be started, or if its document cannot store
        its outcome.
        """
        for run, error in self._outcomes.refused.items():
            raise BadDataError(
                f"the outcome of run {run}, kept in {layout.JOURNAL}, cannot be published: "
                f"{error.what}",
                error.remedy or "correct its run document, then run snakemake again",
            )
        if self._not_begun:
            raise BadDataError(
                f"not started: run {' '.join(sorted(self._not_begun))}",
                "the run documents and the messages above explain why",
            )

    def _hold(
        self, database: "RunDatabase", taken: list[Claim], *, reprocess: Container[int]
    ) -> None:
        """Take responsibility for claimed runs; fail those that cannot be started."""
        refused = self._held.hold(taken, reprocess=reprocess)
        for claim in taken:
            run = layout.run_id(claim.number)
            try:
                if run in refused:
                    raise refused[run]
                self._check_targets(run)
                set_published_aside(run)
            except XamsflowError as error:
                self._not_begun.add(run)
                self._outcomes.cannot_begin(database, claim, error)

    def take(self, run: str) -> None:
        """Claim one requested run, whatever its status.

        Raises ConfigurationError if the run is unknown or another driver works on it.
        """
        if self._held.claim(run) is not None:
            return
        from xamsflow.rundb import (  # noqa: PLC0415
            Status,
            run_document,
            understand,
        )

        database = self._open()
        self._outcomes.publish_journal(database)
        number = layout.run_number(run)
        document = database.get(number)
        claim = self._claim(database, number, self._want(number, document))
        if claim is None:
            holder = run_document.owner(document) or "another driver"
            raise ConfigurationError(
                f"run {run} is being processed by {holder}", "wait until it ends, then try again"
            )
        if understand(run_document.status(document)).status is Status.DONE:
            self._outcomes.was_done(run)
        again = run_document.is_to_be_reprocessed(document)
        for error in self._held.hold([claim], reprocess={number} if again else set()).values():
            raise error

    def _claim(
        self, database: "RunDatabase", number: int, targets: tuple[str, ...]
    ) -> Claim | None:
        from xamsflow.run import selecting  # noqa: PLC0415

        stranded = {run: targets for run in selecting.stranded(database) if run.number == number}
        if not stranded:
            return database.claim_any(number, self._owner, targets)
        return next(iter(database.take_over(stranded, self._owner)), None)

    def _want(self, number: int, document: Mapping[str, Any]) -> tuple[str, ...]:
        from xamsflow.rundb import run_document  # noqa: PLC0415

        targets = self._held.want(
            number,
            run_document.mode(document),
            is_taken=run_document.is_being_taken(document),
            targets=run_document.campaign_targets(document),
        )
        self._check_targets(layout.run_id(number))
        return targets

    def _check_targets(self, run: str) -> None:
        """Raise ConfigurationError if a run needs a data type that cannot be made here.

        The targets of the settings have been checked, but a campaign may have its own.
        """
        requests.check(self._held.targets(run), self._data_types)

    def number_of_runs(self) -> int:
        """Return how many runs this process is responsible for."""
        return len(self._held.all())

    def begins(self) -> None:
        """Prepare for SIGTERM while jobs are run.

        Snakemake's handler waits for a lock that its main thread often holds.
        """
        handle_in_thread(signal.SIGTERM)

    # Called by the logger plugin

    def heard(self) -> None:
        """Record activity of Snakemake."""
        self._watchdog.note()

    def job_started(self, log: Path) -> None:
        """Record that the job with this log was started, perhaps again after a failure."""
        self._close_at_exit()
        self._stopwatch.job_started(log)
        self._outcomes.job_started(log)

    def job_failed(self, rule: str, wildcards: Mapping[str, str]) -> None:
        """Write the reason for a job's failure to the run document immediately."""
        if rule in layout.RECEIPTS:
            self._outcomes.job_failed(rule, wildcards)
        else:
            say(f"run {wildcards['run_id']}: {rule} failed, which does not affect the run")

    def is_done(self, run: str) -> bool:
        """Return whether a run that this driver claimed is done."""
        return self._outcomes.is_done(run)

    def published(self, run: str) -> None:
        """Record that the run document contains the outcome of a claimed run."""
        self._outcomes.published(run)
        self._stopwatch.published(run)

    @cached_property
    def _outcomes(self) -> "Outcomes":
        from xamsflow.run.outcomes import Outcomes  # noqa: PLC0415

        return Outcomes(self._config, self._held, self._interrupt, self._connection)

    # The end

    def close(self) -> None:
        """Release the claimed runs that neither finished nor failed, and print a summary."""
        try:
            with contextlib.chdir(self._directory):  # Snakemake has changed back
                self._close()
                self._stopwatch.write(self._owner)
        finally:
            self._exit.close()
            self._database = None

    def _close(self) -> None:
        if jobs := cancel.remaining_jobs():
            say(f"canceled {len(jobs)} batch jobs: {' '.join(jobs)}")
        if self._database is not None:
            with contextlib.suppress(XamsflowError):
                self._outcomes.publish_journal(self._database)
        failed = {job.run for job in self._outcomes.failed_jobs()}
        unfinished = [run for run in self._held.all() if run not in failed]
        given_back = 0
        try:
            for run in unfinished:
                given_back += self._outcomes.give_back(self._open(), run, "the driver was stopped")
        except XamsflowError as error:
            left = len(unfinished) - given_back
            say(
                f"{left} runs could not be released; the next `snakemake` run takes them over: "
                f"{error}"
            )
        with contextlib.suppress(XamsflowError):  # the database is unreachable
            if failed & set(self._held.all()):
                self._outcomes.tell_again(self._open())
        for run in self._held.all():
            self._held.forget(run)
        # Snakemake's own messages may have pushed these lines far up.
        for line in self._outcomes.told_failures(SHOWN_FAILURES):
            say(line)
        if summary := self._outcomes.summary(len(unfinished), given_back):
            say(summary)
        kept = sum(1 for _ in layout.JOURNAL.glob("*.json")) - len(self._outcomes.refused)
        if kept > 0:
            say(
                f"{kept} outcomes are kept in {layout.JOURNAL} until the run database is back; the "
                "next `snakemake` run or xamsflow pend publishes them"
            )
        notify.finish()

    # The run database

    def _open(self) -> "RunDatabase":
        """Return the run database, connected for the rest of this process."""
        if self._database is None:
            from xamsflow import rundb  # noqa: PLC0415

            if submit := self._submit():
                here.check(Path(submit))
            self._check_storage(jobs_run_here=not submit)
            for folder in layout.FOLDERS:
                receipts.check_writable(folder)
            database = self._exit.enter_context(rundb.open_database(self._config.rundb))
            clock.check("the run database's", database.now)
            self._database = database
            outcomes = self._outcomes

            def beat() -> None:
                self._watchdog.check()
                database.heartbeat(self._owner)
                outcomes.publish_journal(database)

            self._exit.enter_context(beating(beat))
            self._close_at_exit()
            self._interrupt.notice()
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                # Until Snakemake handles it: runs claimed by then must be given back.
                signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        return self._database

    def _check_storage(self, *, jobs_run_here: bool) -> None:
        """Raise ConfigurationError if jobs could not write their data.

        A folder that does not exist here may still exist on the nodes of a batch system.
        """
        storage = self._config.storage
        for name, folder in (("live_data", storage.live_data), ("processed", storage.processed)):
            place = existing(folder) if jobs_run_here else folder
            if place.is_dir() and not is_writable(place):
                raise ConfigurationError(
                    f"storage.{name}: {place} is not writable, so no run is claimed",
                    "check its owner, mode and mount",
                )

    def _close_at_exit(self) -> None:
        atexit.unregister(self.close)  # not twice
        atexit.register(self.close)

    @contextlib.contextmanager
    def _connection(self) -> Iterator["RunDatabase"]:
        if self._database is not None:
            yield self._database
            return
        from xamsflow import rundb  # noqa: PLC0415

        with rundb.open_database(self._config.rundb) as database:
            yield database


_drivers: list[Driver] = []


def configure(
    config: Config,
    submit: Callable[[], str | None] = lambda: None,
    data_types: Collection[str] | None = None,
) -> None:
    """Create this process's driver; until used, it queries and writes nothing.

    `submit` returns the program that submits batch jobs, None if jobs run on this host.
    `data_types` are those that can be made, None if any may exist.
    """
    _drivers[:] = [Driver(config, submit, data_types)]
    gc.set_threshold(GARBAGE)


def is_configured() -> bool:
    """Return whether this process has a driver."""
    return bool(_drivers)


def current() -> Driver:
    """Return this process's driver."""
    return _drivers[0]


@contextlib.contextmanager
def errors_end_the_process() -> Iterator[None]:
    """Turn an error into one line on the terminal and exit code 1."""
    try:
        yield
    except XamsflowError as error:
        sys.exit(f"xamsflow: {error}")
