"""The driver's signs of life."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from xamsflow.base.errors import XamsflowError
from xamsflow.run.say import say

HEARTBEAT_S = 60.0
"""Time between heartbeats; several fit into a lease (owner.LEASE_S)."""


@contextlib.contextmanager
def beating(beat: Callable[[], None], period_s: float = HEARTBEAT_S) -> Iterator[None]:
    """Call `beat` periodically in its own thread.

    No error ends it: without heartbeats, another host takes over the driver's runs.
    """
    stop = threading.Event()

    def work() -> None:
        said = ""
        while not stop.wait(period_s):
            try:
                beat()
            except XamsflowError:
                pass  # the next one may succeed
            except Exception as error:  # whatever it is, it affects only this beat
                if str(error) != said:
                    said = str(error)
                    say(f"the heartbeat continues after {type(error).__name__}: {error}")

    threading.Thread(target=work, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
