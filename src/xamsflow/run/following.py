"""Transfer and process a run during data taking, as a head start for the rules of these names.

Each data type is computed chunk by chunk as the DAQ completes the chunks, so that only the last
ones are left when the run ends. If anything is unusual, nothing is stored, and the run is processed
after its end like any other. The stored data are therefore always the same as without following.
"""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from importlib import metadata
from typing import Any, Protocol

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, StillTakenError, XamsflowError
from xamsflow.base.meter import Meter
from xamsflow.data.processing import follow_run
from xamsflow.redax.growing import Growing
from xamsflow.run.policy import patiently
from xamsflow.rundb import identity, run_document
from xamsflow.settings import detector
from xamsflow.settings.config import Config
from xamsflow.state import layout
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import Following

logger = logging.getLogger(__name__)


class Audience(Protocol):
    """Watches a run during data taking."""

    def __call__(self, data_type: str, chunk: Any) -> None:
        """Receive a chunk of a data type that has just been computed."""

    def pause(self) -> None:
        """Note that no more data can be computed from what the DAQ has written so far."""


Show = Callable[[Mapping[str, Any]], AbstractContextManager[Audience | None]]


def nobody(_document: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Show a run to nobody."""
    return nullcontext()


def follow(
    look: Callable[[], Mapping[str, Any]],
    configuration: Config,
    *,
    data_type: str,
    threads: int,
    meter: Meter,
    now: Callable[[], datetime],
    show: Show = nobody,
) -> Receipt:
    """Follow a run to its end; return the receipt, which says whether data were stored, or why not.

    `look` returns its current run document, `now` the time by the run database's clock. `show`
    takes the document and returns the audience for the data as they are made, or None.

    If the run or its document is damaged or changes, following ends early, and the later jobs
    decide what follows. Raises StillTakenError if a run without end stops growing, and the
    transfer's other errors if the run cannot be copied.
    """
    try:
        return _follow(
            look,
            configuration,
            data_type=data_type,
            threads=threads,
            meter=meter,
            now=now,
            show=show,
        )
    except BadDataError as error:
        number = run_document.number(look())
        assert number is not None, "the run was found by its number"
        return _receipt(layout.run_id(number), data_type, str(error))


def _follow(
    look: Callable[[], Mapping[str, Any]],
    configuration: Config,
    *,
    data_type: str,
    threads: int,
    meter: Meter,
    now: Callable[[], datetime],
    show: Show,
) -> Receipt:
    following = patiently(
        lambda: Following(
            look,
            configuration.daq,
            configuration.storage,
            configuration.follow,
            settings=configuration.rundb,
            now=now,
        ),
        configuration.retry,
    )
    identity.check_folder(configuration.storage.processed, following.whose)
    with show(following.document) as audience:

        def bring() -> int | None:
            if audience is not None:
                audience.pause()
            return following.bring()

        growing = Growing(following.folder, following.run.readers, bring)
        reason = _process(
            following,
            growing,
            configuration,
            data_type=data_type,
            threads=threads,
            meter=meter,
            on_data=audience,
        )
    if reason is not None:
        logger.warning("not processed during data taking: %s", reason)
    try:
        while following.duration is None:  # what is copied now need not be copied later
            following.bring()
    except BadDataError as error:
        logger.warning("no longer followed: %s", error)
        reason = reason or str(error)
    run_id = layout.run_id(following.run.number)
    return _receipt(run_id, data_type, reason) | {
        "copied_bytes": following.copied,
        "after_end_s": (
            None if following.ended is None else round(time.monotonic() - following.ended, 3)
        ),
        "checksums": growing.checksums,
    }


def _receipt(run_id: str, data_type: str, reason: str | None) -> Receipt:
    return {
        "run_id": run_id,
        "data_type": data_type,
        "processed": reason is None,
        "reason": reason,
        "copied_bytes": 0,
        "after_end_s": None,
        "checksums": {},
        "versions": {"xamsflow": metadata.version("xamsflow")},
        "host": socket.gethostname(),
        "time": clock.now().isoformat(),
    }


def _process(
    following: Following,
    growing: Growing,
    configuration: Config,
    *,
    data_type: str,
    threads: int,
    meter: Meter,
    on_data: Audience | None,
) -> str | None:
    """Process the data type and all below it; return why that failed, or None."""
    if configuration.context is not None:
        return "another context only reads runs that have ended"

    def on_chunk(made: str, chunk: int) -> None:
        meter.reach(made, following.copied, 0, chunk=chunk)

    try:
        follow_run(
            document=following.document,
            detector=detector.load(configuration.detector),
            folder=following.folder,
            growing=growing,
            processed=configuration.storage.processed,
            data_type=data_type,
            threads=threads,
            on_chunk=on_chunk,
            on_data=on_data,
        )
    except StillTakenError:
        raise
    except XamsflowError as error:
        return str(error)
    return None
