"""The jobs of the workflow, each called by the script of the rule with the same name.

A job holds a lock on its run and writes all output to its own log. It ends in one of three ways:
it writes its receipt; or it fails and leaves the reason next to its log, for the driver to
publish; or it is killed and leaves neither.
"""

import contextlib
import logging
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from xamsflow.base import caches, clock, memory, system_errors, usage
from xamsflow.base.errors import (
    BadDataError,
    FailureClass,
    StillTakenError,
    TransientError,
    XamsflowError,
    causes,
)
from xamsflow.base.meter import Meter
from xamsflow.redax import rundoc
from xamsflow.run import journal, progress
from xamsflow.run import publish as publishing
from xamsflow.run.failures import Failure
from xamsflow.run.interrupt import STOPPED
from xamsflow.run.policy import patiently
from xamsflow.rundb import Connection, RunDatabase, identity
from xamsflow.rundb.identity import Identity
from xamsflow.settings import config
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout, live, lock, receipts
from xamsflow.state.claims import Claim

logger = logging.getLogger(__name__)

WITHOUT_STRAX = ("transfer", "publish")
"""Rules whose jobs do not use strax, which takes longest to import."""
SEVERAL = 3
"""Number of runs from which it pays off to load all compiled functions, which takes as long as a
run."""
WARM_UP_S = 0.2
"""Length of the simulated run that is processed to load them."""


def load(rule: str, *, runs: int) -> None:
    """Import what a rule's jobs need; with strax and several runs, also compile it."""
    _choose_compiled()
    # Libraries must not start threads here: a fork would not have them.
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    with memory.loading():
        import xamsflow.transfer.run  # noqa: F401, PLC0415

        if rule in WITHOUT_STRAX:
            return
        from xamsflow.data import processing  # noqa: PLC0415

        processing.versions()  # of what is imported, even if another version is installed meanwhile
    configuration = config.from_environment()
    if runs >= SEVERAL and configuration.context is None:
        from xamsflow.settings import detector  # noqa: PLC0415
        from xamsflow.simulate import warm_up  # noqa: PLC0415

        with contextlib.suppress(Exception):  # the first job meets and reports the same error
            warm_up.process_simulated_run(
                detector.load(configuration.detector),
                configuration.targets[0],
                duration_s=WARM_UP_S,
            )


def follow(*, run_id: str, receipt: str, log: str, threads: int) -> None:
    """Copy and process a run during data taking, and write the receipt after it has ended.

    This job only saves time: if it fails, the receipt says why, and later jobs do all the work.
    """
    with _job("follow", run_id, Path(log)) as (configuration, meter, connection):
        with memory.loading():
            from xamsflow.analysis.live.feed import feeding  # noqa: PLC0415
            from xamsflow.run import following  # noqa: PLC0415

        number = layout.run_number(run_id)
        targets = claims.targets(run_id) or configuration.targets
        with connection as database:
            made = following.follow(
                lambda: database.get(number),
                configuration,
                data_type=targets[0],
                threads=threads,
                meter=meter,
                now=database.now,
                show=feeding if configuration.follow.show else following.nobody,
            )
        receipts.write(Path(receipt), made)


def transfer(*, run_id: str, receipt: str, log: str) -> None:
    """Transfer a run's live data and write the receipt."""
    with _job("transfer", run_id, Path(log)) as (configuration, meter, connection):
        with memory.loading():  # import only what this job needs
            from xamsflow.transfer import transfer_run  # noqa: PLC0415

        def look() -> tuple[Mapping[str, Any], Callable[[], datetime]]:
            with connection as database:
                document = database.get(layout.run_number(run_id))
                return document, clock.running_from(database.now())

        document, now = patiently(look, configuration.retry)
        made = patiently(
            lambda: transfer_run(
                document,
                configuration.daq,
                configuration.storage,
                meter,
                sources=configuration.sources,
                settings=configuration.rundb,
                now=now,
            ),
            configuration.retry,
        )
        receipts.write(Path(receipt), made)


def process(
    *,
    run_id: str,
    data_type: str,
    transfer_receipt: str,
    receipt: str,
    log: str,
    threads: int,
) -> None:
    """Compute a data type of a transferred run, and write the receipt.

    The run document is taken from the transfer's receipt, so no run database is needed.
    """
    with _job("process", run_id, Path(log)) as (configuration, meter, connection):
        with memory.loading():
            from xamsflow.data.processing import process_run  # noqa: PLC0415
            from xamsflow.settings import detector  # noqa: PLC0415

        transferred = receipts.read_or_set_aside(Path(transfer_receipt), publishing.TRANSFER_NEEDS)
        publishing.check_followed(run_id, transferred)
        whose = _whose(run_id, transferred, configuration, connection)
        identity.hold_folder(configuration.storage.processed, whose)
        _wait_for_live_data(transferred, configuration)
        n_bytes, n_chunks = transferred["bytes"], progress.n_chunks(transferred["files"])

        def on_chunk(made: str, chunk: int) -> None:
            done = n_bytes * chunk / max(n_chunks, 1)
            meter.reach(made, min(done, n_bytes), n_bytes, chunk=chunk, n_chunks=n_chunks)

        stored: list[receipts.Receipt] = []
        try:
            made = process_run(
                document=rundoc.from_json(transferred["run_document"]),
                detector=detector.load(configuration.detector),
                live_data=Path(transferred["destination"]).parent,
                processed=configuration.storage.processed,
                data_type=data_type,
                threads=threads,
                other_context=configuration.context,
                on_stored=stored.append,
                on_chunk=on_chunk,
            )
        except BaseException:
            # Lower data types that were stored before the failure are registered nevertheless.
            for lower in stored:
                receipts.write(layout.data_type_receipt(run_id, lower["data_type"]), lower)
            raise
        receipts.write(Path(receipt), made)


def publish(
    *,
    run_id: str,
    transfer_receipt: str,
    data_type_receipts: Sequence[str],
    receipt: str,
    log: str,
) -> None:
    """Register the stored data in the run document, mark the run done, and write the receipt."""
    with _job("publish", run_id, Path(log)) as (configuration, _, connection):
        made = [
            receipts.read_or_set_aside(Path(path), publishing.DATA_TYPE_NEEDS)
            for path in data_type_receipts
        ]
        transferred = receipts.read_or_set_aside(Path(transfer_receipt), publishing.TRANSFER_NEEDS)
        done = publishing.done(transferred, made, host=configuration.storage.host)
        publishing.tell_strax(transferred, made, configuration)
        claim = claims.read(run_id)
        if claim is None:
            raise _not_ours(run_id)
        receipts.check_writable(Path(receipt).parent)  # no run is marked done without a receipt

        def tell() -> receipts.Receipt | None:
            with connection as database:
                publishing.check_whose(transferred, database, configuration)
                return publishing.tell_done(database, claim, done)

        try:
            told = patiently(tell, configuration.retry)
        except TransientError as error:
            journal.keep_done(claim, done, configuration)
            raise TransientError(
                f"run {run_id} is done; this is kept in {layout.JOURNAL} until it can be written "
                f"to the run document ({error})"
            ) from error
        if told is None:
            raise _not_ours(run_id)
        receipts.write(Path(receipt), told)
        with contextlib.suppress(Exception):  # the run is done; this affects only pictures
            if live.forget(run_id):
                from xamsflow.views import live as live_page  # noqa: PLC0415

                live_page.make(configuration.detector)


def _whose(
    run_id: str, transferred: receipts.Receipt, configuration: Config, connection: Connection
) -> Identity:
    """Return the identity of the run in a transfer's receipt, after checking it without waiting.

    It is checked against the run document, or against the settings if no driver claimed the run or
    the run database cannot be reached.
    """
    number = layout.run_number(run_id)
    wanted = identity.of_settings(number, configuration.rundb, configuration.daq)
    if claims.read(run_id) is not None:
        try:
            with connection as database:
                document = database.get(number)
            wanted = identity.of_document(document, configuration.rundb, configuration.daq)
        except TransientError as error:
            logger.warning("the receipt is not compared with the run document: %s", error)
    identity.check_receipt(transferred, wanted)
    return replace(identity.of_receipt(transferred), collection=wanted.collection)


def _wait_for_live_data(transferred: receipts.Receipt, configuration: Config) -> None:
    """Wait until all files of a transferred run are visible on this node (NFS may lag behind)."""

    def look() -> None:
        try:
            publishing.check_live_data(transferred)
        except BadDataError as error:
            raise TransientError(str(error)) from error

    try:
        patiently(look, configuration.retry)
    except TransientError:
        publishing.check_live_data(transferred)


def _not_ours(run_id: str) -> TransientError:
    return TransientError(
        f"this driver no longer owns the status of run {run_id}",
        "somebody changed it, or another driver took the run; see `xamsflow why`",
    )


def overview(*, run_id: str, output: str, log: str) -> None:
    """Draw the picture of a run from its stored data.

    The run is not locked: the stored data are only read, and the picture is not part of processing.
    """
    with _for_people(Path(log)) as configuration:
        from xamsflow.settings import detector  # noqa: PLC0415
        from xamsflow.views import overview as overviews  # noqa: PLC0415

        overviews.make_run(run_id, detector.load(configuration.detector), Path(output))


def quantities(*, run_id: str, log: str) -> None:
    """Measure the quantities of a run from its stored data and judge them; it is not locked."""
    with _for_people(Path(log)) as configuration:
        with memory.loading():
            from xamsflow.analysis.health import judging  # noqa: PLC0415
            from xamsflow.analysis.quantities import make  # noqa: PLC0415
            from xamsflow.analysis.site import Site  # noqa: PLC0415

        make.make(Site(configuration, Path.cwd(), run_database=False), run_id)
        judging.judge([run_id], configuration)


def page(*, log: str) -> None:
    """Write the status page."""
    with _for_people(Path(log)) as configuration:
        from xamsflow.views import page as pages  # noqa: PLC0415

        pages.make(configuration)


def trends(*, log: str) -> None:
    """Write the trends page."""
    with _for_people(Path(log)) as configuration:
        from xamsflow.analysis import trends as pages  # noqa: PLC0415

        pages.make(configuration)


@contextlib.contextmanager
def _for_people(log: Path) -> Iterator[Config]:
    """Run a job that only informs people; its failure does not affect other jobs."""
    try:
        _log_to(log)
        yield config.from_environment()
    except XamsflowError as error:
        sys.exit(f"xamsflow: {error}")


@contextlib.contextmanager
def _job(rule: str, run_id: str, log: Path) -> Iterator[tuple[Config, Meter, Connection]]:
    """Run a job's work with its log and its lock, and record how it ends.

    The work reports its progress to the meter. Its first use of the run database takes the
    connection by which the start was reported.
    """
    meter, began = Meter(), time.monotonic()
    terminal = progress.terminal()  # before output is redirected to the log

    def fail(failure: Failure) -> NoReturn:
        # The driver reports the failure at the terminal and in the run document.
        print(f"{rule} of run {run_id} failed: {failure.reason}", file=sys.stderr)
        with contextlib.suppress(XamsflowError):
            failure.write(Failure.file(log))
        sys.exit(1)

    signal.signal(signal.SIGTERM, _raise_terminated)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            _log_to(log)
            Failure.file(log).unlink(missing_ok=True)
        except OSError as error:
            raise system_errors.cannot("write", log, error) from error
        logger.info("run %s: %s on %s", run_id, rule, platform.node())
        configuration = config.from_environment()
        _choose_compiled()
        connection = Connection(configuration.rundb)
        with (
            contextlib.closing(connection),
            lock.exclusive(layout.lock_file(configuration.storage.processed, run_id)),
        ):
            claim = claims.read(run_id)
            _report_start(rule, claim, connection, log)

            def begin_again(database: RunDatabase, before: Claim) -> Claim | None:
                current = claims.read(run_id)
                if current in (None, before) or not _begin(database, current, rule, log):
                    return None
                return current

            with (
                progress.in_log(meter),
                progress.at_terminal(meter, terminal, f"{rule} of run {run_id}:"),
                progress.in_run_document(meter, configuration.rundb, claim, rule, begin_again),
            ):
                yield configuration, meter, connection
        logger.info("run %s: %s done", run_id, rule)
    except StillTakenError as error:
        # The run has not failed: it waits for the next run of the driver.
        fail(Failure(str(error), error.failure, interrupted=True))
    except XamsflowError as error:
        fail(Failure(str(error), error.failure))
    except KeyboardInterrupt:
        fail(Failure(STOPPED, FailureClass.TRANSIENT, interrupted=True))
    except _Terminated:
        reason = "stopped by SIGTERM: canceled, or out of time?"
        fail(Failure(reason, FailureClass.TRANSIENT, killed=True))
    except Exception as error:  # a bug: the traceback goes to the log, one line to people
        traceback.print_exc()
        if any(map(memory.was_wanting, causes(error))):
            fail(Failure("out of memory: request more", FailureClass.RESOURCES))
        line = " ".join(f"{type(error).__name__}: {error}".split())
        fail(Failure(f"unexpected {line}: see {log}", FailureClass.UNKNOWN))

    finally:
        with contextlib.suppress(OSError):
            usage.write(layout.usage(log), began)


def _choose_compiled() -> None:
    """Choose where numba keeps compiled functions; this must happen before numba is imported."""
    if (compiled := caches.compiled_elsewhere(layout.COMPILED)) is not None:
        os.environ[caches.COMPILED] = str(compiled)


class _Terminated(BaseException):
    """The job was sent SIGTERM."""


def _raise_terminated(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # the batch system and the client may both send it
    raise _Terminated


def _log_to(log: Path) -> None:
    """Redirect all output of this process to its log.

    Snakemake removes a job's log before the job starts. Each attempt therefore writes its own
    numbered file, and `log` is a link to the last one.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        attempt = log.with_suffix(f".{number}{log.suffix}")
        try:
            file = attempt.open("x", encoding="utf-8")
            break
        except FileExistsError:
            number += 1
    link = attempt.with_suffix(".link")
    link.symlink_to(attempt.name)
    link.replace(log)  # atomic: another job of the run may start at the same moment
    with file:
        sys.stdout.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("paramiko").setLevel(logging.WARNING)


def _report_start(rule: str, claim: Claim | None, connection: Connection, log: Path) -> None:
    """Record in the run document that this job has started, if a driver claimed the run.

    If that fails, the job continues and the log says so.
    """
    if claim is None:
        return
    try:
        _begin(connection.opened(), claim, rule, log)
    except XamsflowError as error:
        logger.warning("the start of the job could not be written to the run document: %s", error)


def _begin(database: RunDatabase, claim: Claim, rule: str, log: Path) -> bool:
    return database.started(
        claim, rule, host=platform.node(), job_id=_batch_job(), log=str(log.resolve())
    )


def _batch_job() -> str | None:
    # HTCondor sets no such variable; the last one is set by batch/htcondor.py.
    for name in ("PBS_JOBID", "SLURM_JOB_ID", "XAMSFLOW_BATCH_JOB"):
        if job := os.environ.get(name):
            return job
    return None
