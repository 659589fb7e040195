"""Ends a driver that hangs: it has no job and makes no progress, but its heartbeat continues.

Nobody could take over its runs otherwise. Once it has ended, the next driver does.
"""

import faulthandler
import os
import signal
import time

from xamsflow.base import fork_server, process
from xamsflow.batch import submissions
from xamsflow.run.say import say

STUCK_S = 1800.0
"""How long a driver may be without job, event and child process; longer than any of its pauses."""


class Watchdog:
    """Knows when the driver last did something."""

    def __init__(self, stuck_s: float = STUCK_S) -> None:
        self._stuck_s = stuck_s
        self._last = time.monotonic()

    def note(self) -> None:
        """Record that the driver has done something."""
        self._last = time.monotonic()

    def check(self) -> None:
        """End this process if it is stuck; its stacks go to standard error."""
        if time.monotonic() - self._last < self._stuck_s:
            return
        jobs = any(True for _ in submissions.of_driver(submissions.this_driver()))
        if jobs or process.has_children(os.getpid(), other_than=fork_server.processes()):
            self.note()
            return
        say(
            f"no job and no progress for {self._stuck_s / 60:.0f} min: this driver is stuck and "
            "ends; the next driver takes over its runs. Please report the following:"
        )
        faulthandler.dump_traceback(all_threads=True)
        os.kill(os.getpid(), signal.SIGKILL)
