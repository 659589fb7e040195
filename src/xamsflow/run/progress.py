"""How far long work is: at the terminal, in the job's log, and in the run document.

In the run document it is also the job's sign of life. Who does the work only moves a
:class:`Meter`; threads beside it look at the meter and tell, so that no terminal, disk or database
that is slow or away ever holds up the work.
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
"""Time between two reports; work that takes less makes none."""

END_S = 2.0
"""How long the end of the work waits for a report that is under way."""


def n_chunks(files: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of chunks of a run, from the files in the receipt of its transfer."""
    folders = {str(file["path"]).partition("/")[0] for file in files}
    return sum(re.fullmatch(r"\d{6}", folder, flags=re.ASCII) is not None for folder in folders)


@contextlib.contextmanager
def in_log(meter: Meter) -> Iterator[None]:
    """Tell the log now and then while the work goes on, if there is anything new."""
    with _every(LOG_S, meter, _if_new(lambda progress: logger.info("%s", progress))):
        yield


def terminal() -> TextIO | None:
    """Return the terminal behind stderr, kept though stderr go elsewhere later; None without."""
    if not sys.stderr.isatty():
        return None
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")


@contextlib.contextmanager
def at_terminal(meter: Meter, terminal: TextIO | None, name: str) -> Iterator[None]:
    """Tell the person at the terminal what is new now and then; `name` begins each line."""
    if terminal is None:
        yield
        return

    def tell(progress: Progress) -> None:
        print(name, progress, file=terminal, flush=True)

    with _every(TERMINAL_S, meter, _if_new(tell)):
        yield


@contextlib.contextmanager
def in_run_document(meter: Meter, rundb: Rundb, claim: Claim | None, stage: str) -> Iterator[None]:
    """Tell the run document now and then how far a claimed run's job is.

    A run database that is away is asked again the next time. Without a claim nobody is told.
    """
    if claim is None:
        yield
        return
    connection = contextlib.ExitStack()
    database: RunDatabase | None = None

    def tell(progress: Progress) -> None:
        nonlocal database
        try:
            if database is None:
                from xamsflow.rundb import open_database  # noqa: PLC0415 - short jobs need none

                database = connection.enter_context(open_database(rundb))
            database.progress(claim, stage, progress.fields())
        except XamsflowError as error:
            logger.debug("the run document was not told of the progress: %s", error)

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
    """Call `tell` each `period` s in a thread, and `close` there at the end."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(period):
            progress = meter.read()
            if progress is not None:
                # A terminal that was closed or a disk that is full is not the work's trouble.
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
