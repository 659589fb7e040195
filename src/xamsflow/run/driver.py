"""The driver: the one process that a person started, which answers for the runs it takes.

It claims runs while the DAG is built, hears of each job's end from the logger plugin, writes the
failures into the run document, and gives back at its end what it did not get to. Jobs never come
here: they only report their own start and, when all is well, publish.
"""

import atexit
import contextlib
import gc
import logging
import signal
import sys
import threading
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from xamsflow.base import clock, system_errors
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.batch import cancel
from xamsflow.run import failures, notify
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.settings.config import Config, Select
from xamsflow.state import claims, layout, owner, receipts, run_numbers
from xamsflow.state.claims import Claim, Order

if TYPE_CHECKING:  # the run database's client is not wanted while the Snakefile is parsed
    from xamsflow.rundb import ClaimedRun, PendingRun, RunDatabase

INTERRUPT_S = 1.0
"""How long after a job's end without a word Ctrl-C may still reach this process."""

GARBAGE = 100_000
"""After how many new objects Python looks for garbage. What Snakemake knows of thousands of jobs
stays to the end, and to look through it as often as usual (700) takes a tenth of a start.
"""

HEARTBEAT_S = 60.0
"""Time between signs of life; several fit into a lease (owner.LEASE_S)."""


class Driver:
    """The runs that this process has claimed, and what became of them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._directory = Path.cwd()
        self._owner = str(owner.current())
        self._interrupted = threading.Event()
        self._claims: dict[str, Claim] = {}
        self._targets: dict[str, tuple[str, ...]] = {}
        self._followed: set[str] = set()
        self._failed: dict[Path, FailedJob] = {}
        self._done: set[str] = set()
        self._were_done: set[str] = set()
        self._exit = contextlib.ExitStack()
        self._database: RunDatabase | None = None

    def preview_pending(self) -> list[str]:
        """Return the runs that a real start would take now, newest first; nothing is written."""
        with self._connection() as database:
            wanted: list[ClaimedRun | PendingRun] = [
                *self._stranded(database, self._config.select),
                *database.pending(self._config.select),
            ]
        for run in wanted:
            self._want(run.number, run.mode, run.is_taken)
        return newest_first({run.number for run in wanted})

    def preview(self, run: str) -> None:
        """Learn what a run that a person asked for would have to be made; nothing is written.

        Raises ConfigurationError where the run is unknown.
        """
        if run not in self._targets:
            number = layout.run_number(run)
            with self._connection() as database:
                document = database.get(number)
            self._want_document(number, document)

    def targets(self, run: str) -> tuple[str, ...]:
        """Return the last data types wanted of a run; its jobs know them from the claim."""
        return self._targets.get(run) or claims.targets(run) or self._config.targets

    def follows(self, run: str) -> bool:
        """Return whether a run is followed while it is taken, or was; jobs know it from the claim.

        One that was interrupted in that, and has ended since, is not.
        """
        if run in self._targets:
            return run in self._followed or layout.follow_receipt(run).exists()
        return claims.follows(run) or layout.follow_receipt(run).exists()

    def shortages(self, run: str) -> int:
        """Return how often a run failed for want of resources; its jobs know it from the claim."""
        claim = self._claims.get(run)
        return claims.shortages(run) if claim is None else claim.shortages

    def take_pending(self) -> list[str]:
        """Claim the pending runs, and those that a dead driver left behind, newest first.

        Failed runs whose time has come to be tried again count as pending. A run that another
        driver takes at the same moment is left to it.
        """
        database, select = self._open(), self._config.select
        self._publish_journal(database)
        stranded = {
            run: self._want(run.number, run.mode, run.is_taken)
            for run in self._stranded(database, select)
        }
        taken = database.take_over(stranded, self._owner)
        self._hold(taken, reprocess={run.number for run in stranded if run.reprocess})
        pending = {
            run: self._want(run.number, run.mode, run.is_taken) for run in database.pending(select)
        }
        taken = database.claim_pending(pending, self._owner, select.force_tags)
        self._hold(taken, reprocess={run.number for run in pending if run.reprocess})
        for run in self._claims:
            _set_aside(layout.rundoc_receipt(run))
        return newest_first(claim.number for claim in self._claims.values())

    def take(self, run: str) -> None:
        """Claim one run that a person asked for, whatever its status.

        Raises ConfigurationError where the run is unknown or another driver works on it.
        """
        if run in self._claims:
            return
        from xamsflow.rundb import document as run_document  # noqa: PLC0415
        from xamsflow.rundb import understand  # noqa: PLC0415

        database = self._open()
        self._publish_journal(database)
        number = layout.run_number(run)
        document = database.get(number)
        targets = self._want_document(number, document)
        stranded = {dead: targets for dead in self._stranded(database) if dead.number == number}
        claim = (
            next(iter(database.take_over(stranded, self._owner)), None)
            if stranded
            else database.claim_any(number, self._owner, targets)
        )
        if claim is None:
            holder = run_document.owner(document) or "another driver"
            raise ConfigurationError(
                f"run {run} is being processed by {holder}", "wait for its end, then ask again"
            )
        if understand(run_document.status(document)).status == "done":
            self._were_done.add(run)
        reprocess = run_document.is_to_be_reprocessed(document)
        self._hold([claim], reprocess={number} if reprocess else set())

    def job_failed(self, rule: str, wildcards: Mapping[str, str]) -> None:
        """Write into the run document why a job of a run has failed, at once.

        What was stored before is registered. Where the run database is away, the failure is kept
        in the journal.
        """
        from xamsflow.run import journal  # noqa: PLC0415

        if rule not in layout.RECEIPTS:
            say(f"run {wildcards['run_id']}: {rule} failed, which changes nothing of the run")
            return
        rule, log, failure = failures.of_job(rule, wildcards)
        if failure.killed and self._interrupted.wait(INTERRUPT_S):
            failure = replace(failure, reason="stopped by Ctrl-C", interrupted=True)
        run = wildcards["run_id"]
        job = FailedJob(rule, run, log, failure)
        if self._failed.get(log) == job:
            return  # told again at the end of the workflow
        if not job.failure.interrupted:
            self._failed[log] = job
        what_next = ""
        claim = self._claims.get(run)
        if claim is not None and journal.keeps(claim.number, claim.owner):
            pass  # it is done, or failed before, and only the run document is not told
        else:
            try:
                with self._connection() as database:
                    self._publish_failure(database, job)
                    what_next = _what_next(database, job)
            except XamsflowError as error:
                say(f"run {run}: its failure is not in the run document yet: {error}")
                self._keep_failure(job)
        say(f"run {run}: {rule} failed: {job.failure.reason} (log: {log}){what_next}")
        if not job.failure.interrupted:
            notify.failed(self._config, run, stage=rule, failure=job.failure, log=log)

    def job_started(self, log: Path) -> None:
        """Note that the job with this log was started, perhaps again after a failure."""
        self._close_at_exit()
        self._failed.pop(log, None)
        # In a group it may never get to start, and to remove what an earlier attempt left to say.
        Failure.file(log).unlink(missing_ok=True)

    def published(self, run: str) -> None:
        """Note that a claimed run's outcome stands in the run document."""
        if run in self._claims:
            self._done.add(run)
            self._forget(run)
            notify.succeeded(self._config, run)

    def close(self) -> None:
        """Give back the claimed runs that neither ended nor failed, and say how it went."""
        with contextlib.chdir(self._directory):  # Snakemake has gone back to where it came from
            self._close()
        self._exit.close()
        self._database = None

    def _close(self) -> None:
        if jobs := cancel.remaining_jobs():
            say(f"cancelled {len(jobs)} batch jobs: {' '.join(jobs)}")
        if self._database is not None:
            with contextlib.suppress(XamsflowError):
                self._publish_journal(self._database)
        failed = {job.run for job in self._failed.values()}
        unfinished = [run for run in self._claims if run not in failed]
        given_back = 0
        for run in unfinished:
            try:
                given_back += self._release(self._open(), run, "the driver was stopped")
            except XamsflowError as error:
                left = len(unfinished) - given_back
                say(f"{left} runs could not be given back, the next start takes them over: {error}")
                break
        for job in self._failed.values():
            # Once more: another job of a failed run may have said since that it runs, and stored
            # something.
            try:
                if job.run in self._claims:
                    self._publish_failure(self._open(), job)
            except XamsflowError:
                break  # the database is away
        for run in list(self._claims):
            self._forget(run)
        if self._done or failed or unfinished:
            say(f"{len(self._done)} done, {len(failed)} failed, {given_back} given back")
        if kept := sum(1 for _ in layout.JOURNAL.glob("*.json")):
            say(
                f"{kept} outcomes are kept in {layout.JOURNAL} until the run database is back; the "
                "next start tells them, or xamsflow pend"
            )
        notify.finish()

    def _keep_failure(self, job: FailedJob) -> None:
        """Keep a failure in the journal; where even that fails, the next start finds out anew."""
        from xamsflow.run import journal  # noqa: PLC0415

        claim = self._claims.get(job.run)
        if claim is None or job.failure.interrupted:
            return
        try:
            journal.keep_failure(claim, job, self._config)
        except XamsflowError as error:
            say(f"run {job.run}: its failure cannot be kept either: {error}")

    def _publish_failure(self, database: "RunDatabase", job: FailedJob) -> None:
        """Register what is stored of a run, and say why it failed."""
        from xamsflow.run.publish import tell_failure  # noqa: PLC0415

        claim = self._claims.get(job.run)
        if job.failure.interrupted:
            if claim is not None:
                self._release(database, job.run, job.failure.reason)
                self._forget(job.run)
            return
        tell_failure(database, claim, job, self._config)

    def _publish_journal(self, database: "RunDatabase") -> None:
        """Publish what is kept on disk from when the run database was away."""
        from xamsflow.run import journal  # noqa: PLC0415

        for run, outcome in journal.publish(database, self._config).items():
            say(f"run {run}: the run document is told now that it is {outcome}")
            if outcome == "done":
                self._failed = {log: job for log, job in self._failed.items() if job.run != run}
                self.published(run)

    def _release(self, database: "RunDatabase", run: str, reason: str) -> bool:
        return database.release(self._claims[run], reason, was_done=run in self._were_done)

    def _stranded(
        self, database: "RunDatabase", select: Select | None = None
    ) -> "list[ClaimedRun]":
        """Return the runs whose driver died, of all or of those that `select` wants.

        One of which the journal keeps the outcome has ended.
        """
        from xamsflow.run import journal  # noqa: PLC0415

        return [
            run
            for run in database.claimed(select)
            if run.owner != self._owner
            and owner.is_dead(run.owner, run.heartbeat_age_s)
            and not journal.keeps(run.number, run.owner)
        ]

    def _hold(self, taken: Iterable[Claim], *, reprocess: Container[int]) -> None:
        """Answer for claimed runs from now on.

        What was made before of those in `reprocess` does not count.
        """
        held = {layout.run_id(claim.number): claim for claim in taken}
        self._claims |= held  # first: if a file cannot be written, all are given back
        for run, claim in held.items():
            if claim.number in reprocess:
                _set_aside_what_was_made(run)
        claims.write(
            [
                Order(claim, self._targets[run], follow=run in self._followed)
                for run, claim in held.items()
            ]
        )

    def _want_document(self, number: int, document: Mapping[str, Any]) -> tuple[str, ...]:
        from xamsflow.rundb import document as run_document  # noqa: PLC0415

        mode, is_taken = run_document.mode(document), run_document.is_being_taken(document)
        return self._want(number, mode, is_taken)

    def _want(self, number: int, mode: str, is_taken: bool) -> tuple[str, ...]:
        """Note and return what is wanted of a run with this mode, which may still be taken."""
        targets, run = self._config.targets_for(mode), layout.run_id(number)
        self._targets[run] = targets
        if is_taken and self._config.select.follow:
            self._followed.add(run)
        return targets

    def _forget(self, run: str) -> None:
        claim = self._claims.pop(run, None)
        if claim is not None:
            with contextlib.suppress(OSError):  # left behind, it is nobody's claim any more
                claims.remove(claim)

    def _open(self) -> "RunDatabase":
        """Return the run database, connected for the rest of this process."""
        if self._database is None:
            from xamsflow import rundb  # noqa: PLC0415

            for folder in layout.FOLDERS:
                receipts.check_writable(folder)
            self._database = self._exit.enter_context(rundb.open_database(self._config.rundb))
            self._start_heartbeat(self._database)
            self._close_at_exit()
            self._notice_interrupt()
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                # Until Snakemake listens to it: what is claimed by then must be given back.
                signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        return self._database

    def _notice_interrupt(self) -> None:
        """Remember that Ctrl-C was pressed: it also ends jobs that had no time to say so."""
        before = signal.getsignal(signal.SIGINT)

        def note(number: int, frame: FrameType | None) -> None:
            self._interrupted.set()
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGINT, note)
        tell = sys.excepthook

        def one_line(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            if issubclass(kind, KeyboardInterrupt):  # Snakemake has no word for it so early
                say("stopped by Ctrl-C")
            else:
                tell(kind, error, trace)

        sys.excepthook = one_line

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

    def _start_heartbeat(self, database: "RunDatabase") -> None:
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT_S):
                with contextlib.suppress(XamsflowError):  # the next one may get through
                    database.heartbeat(self._owner)
                    self._publish_journal(database)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        self._exit.callback(stop.set)


def _what_next(database: "RunDatabase", job: FailedJob) -> str:
    """Return what a person is told besides the reason of a failure."""
    if job.failure.interrupted:
        return "; it waits for the next start"
    (summary,) = database.runs(run_numbers.each([layout.run_number(job.run)]))
    if summary.retry_at is None:
        return "; it is not tried again by itself"
    return f"; it is tried again by a start after {summary.retry_at:%Y-%m-%d %H:%M:%S} UTC"


def _set_aside_what_was_made(run: str) -> None:
    """Keep the receipts of a run's data types in a folder beside: they do not count any more."""
    earlier = layout.earlier_receipts(run, clock.now())
    for receipt in layout.receipts_of_data_types(run):
        try:
            earlier.mkdir(parents=True, exist_ok=True)
            receipt.rename(earlier / receipt.name)
        except OSError as error:
            raise system_errors.cannot("write", receipt, error) from error


def _set_aside(published: Path) -> None:
    """Keep what was published before under the time of now: it does not stand for what will be."""
    if published.exists():
        time = clock.now().strftime("%Y%m%dT%H%M%S")
        try:
            published.rename(published.with_suffix(f".{time}.json"))
        except OSError as error:
            raise system_errors.cannot("write", published, error) from error


def newest_first(numbers: Iterable[int]) -> list[str]:
    """Return runs by their names, the highest number first."""
    return [layout.run_id(number) for number in sorted(numbers, reverse=True)]


_drivers: list[Driver] = []


def configure(config: Config) -> None:
    """Make this process's driver; nothing is asked or written before it is used."""
    _drivers[:] = [Driver(config)]
    gc.set_threshold(GARBAGE)


def current() -> Driver:
    """Return this process's driver."""
    return _drivers[0]


@contextlib.contextmanager
def errors_end_the_process() -> Iterator[None]:
    """Turn an error into one line on the terminal and the end of the process, exit code 1."""
    try:
        yield
    except XamsflowError as error:
        sys.exit(f"xamsflow: {error}")


def say(line: str) -> None:
    """Tell the person at the terminal."""
    # Through Snakemake's own log, whose handler keeps lines of several threads apart. Behind its
    # end, logging writes warnings to stderr by itself.
    logging.getLogger("snakemake.logging").warning(f"xamsflow: {line}")
