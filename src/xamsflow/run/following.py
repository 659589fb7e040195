"""A run is brought and processed while it is being taken: a head start on its transfer and process.

Each data type is made chunk by chunk as the DAQ completes them, so that at the run's end only the
last ones are left. If anything is unusual, nothing is stored, and the run is processed after its
end like any other; so what is stored is always what that would have stored.
"""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

from xamsflow.base import clock
from xamsflow.base.errors import StillTakenError, XamsflowError
from xamsflow.base.meter import Meter
from xamsflow.data.processing import follow_run
from xamsflow.redax.growing import Growing
from xamsflow.run.policy import patiently
from xamsflow.rundb import identity
from xamsflow.settings import detector
from xamsflow.settings.config import Config
from xamsflow.state import layout
from xamsflow.state.receipts import Receipt
from xamsflow.transfer import Following

logger = logging.getLogger(__name__)


def follow(
    look: Callable[[], Mapping[str, Any]],
    configuration: Config,
    *,
    data_type: str,
    threads: int,
    meter: Meter,
    now: Callable[[], datetime],
) -> Receipt:
    """Follow a run to its end; return the receipt, which says whether data were made and why not.

    `look` returns its run document as it is now, `now` the time by the run database.

    Raises StillTakenError where nothing comes any more of a run without end, and as the transfer
    does where the run cannot be copied.
    """
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
    growing = Growing(following.folder, following.run.readers, following.bring)
    reason = _process(
        following, growing, configuration, data_type=data_type, threads=threads, meter=meter
    )
    if reason is not None:
        logger.warning("not processed while it is taken: %s", reason)
    while following.duration is None:  # what comes now need not come later
        following.bring()
    assert following.ended is not None
    return {
        "run_id": layout.run_id(following.run.number),
        "data_type": data_type,
        "processed": reason is None,
        "reason": reason,
        "copied_bytes": 0 if following.in_place else following.copied,
        "after_end_s": round(time.monotonic() - following.ended, 3),
        "checksums": growing.checksums,
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
) -> str | None:
    """Make the data type and all below it; return why it could not be made, None if it was."""
    if configuration.context is not None:
        return "another context reads runs that have ended only"

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
        )
    except StillTakenError:
        raise
    except XamsflowError as error:
        return str(error)
    return None
