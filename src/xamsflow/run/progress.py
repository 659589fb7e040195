"""Progress of long work: on the terminal, in the job's log, and in the run document.

In the run document it is also the job's sign of life. The work only advances a :class:`Meter`;
separate threads read the meter and report, so that no slow or unreachable terminal, disk or
database ever holds up the work.
"""

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from xamsflow.base.errors import XamsflowError
from xamsflow.base.meter import Meter, Progress
from xamsflow.settings.config import Rundb
from xamsflow.state.claims import Claim

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

logger = logging.getLogger(__name__)

LOG_S = 30.0
TERMINAL_S = 10.0
RUN_DOCUMENT_S = 60.0
"""Time between two reports; shorter work produces none."""

END_S = 2.0
"""How long the end of the work waits for a report in progress."""


def n_chunks(files: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of chunks of a run, from the files in its transfer receipt."""
    folders = {str(file["path"]).partition("/")[0] for file in files}
    return sum(re.fullmatch(r"\d{6}", folder, flags=re.ASCII) is not None for folder in folders)


@contextlib.contextmanager
def in_log(meter: Meter) -> Iterator[None]:
    """Log the progress periodically during the work, if there is anything new."""
    with _every(LOG_S, meter, _if_new(lambda progress: logger.info("%s", progress))):
        yield


def terminal() -> TextIO | None:
    """Return the terminal of stderr, kept even if stderr is redirected later; None without one."""
    if not sys.stderr.isatty():
        return None
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")


@contextlib.contextmanager
def at_terminal(meter: Meter, terminal: TextIO | None, name: str) -> Iterator[None]:
    """Print new progress on the terminal periodically; each line begins with `name`."""
    if terminal is None:
        yield
        return

    def tell(progress: Progress) -> None:
        print(name, progress, file=terminal, flush=True)

    with _every(TERMINAL_S, meter, _if_new(tell)):
        yield


@contextlib.contextmanager
def in_run_document(
    meter: Meter,
    rundb: Rundb,
    claim: Claim | None,
    stage: str,
    begin_again: Callable[["RunDatabase", Claim], Claim | None] = lambda *_: None,
) -> Iterator[None]:
    """Write the progress of a claimed run's job to the run document periodically.

    If another driver has taken over the run, the document does not say that this job is running:
    `begin_again` records its start for that driver, and returns that driver's claim. If the run
    database is unreachable, the next report tries again. Without a claim nothing is written.
    """
    if claim is None:
        yield
        return
    connection = contextlib.ExitStack()
    database: RunDatabase | None = None
    owned = claim

    def tell(progress: Progress) -> None:
        nonlocal database, owned
        try:
            if database is None:
                from xamsflow.rundb import open_database  # noqa: PLC0415 - short jobs need none

                database = connection.enter_context(open_database(rundb))
            if not database.progress(owned, stage, progress.fields()):
                owned = begin_again(database, owned) or owned
        except XamsflowError as error:
            logger.debug("the progress was not written to the run document: %s", error)

    with _every(RUN_DOCUMENT_S, meter, tell, connection.close):
        yield


def _if_new(tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    told: Progress | None = None

    def tell_if_new(progress: Progress) -> None:
        nonlocal told
        if progress != told:
            tell(progress)
        told = progress

    return tell_if_new


@contextlib.contextmanager
def _every(
    period: float,
    meter: Meter,
    tell: Callable[[Progress], None],
    close: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Call `tell` every `period` s in a thread, and `close` there at the end."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(period):
            progress = meter.read()
            if progress is not None:
                # A closed terminal or a full disk must not stop the work.
                with contextlib.suppress(OSError):
                    tell(progress)
        close()

    thread = threading.Thread(target=work, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_S)
