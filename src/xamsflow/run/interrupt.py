"""Ctrl-C, which also ends jobs before they can report it."""

import signal
import sys
import time
from types import FrameType, TracebackType

from xamsflow.run.say import say

STOPPED = "stopped by Ctrl-C"

SOON_S = 1.0
"""How long after a job ended without a message Ctrl-C may still reach this process."""

SLICE_S = 0.01
"""Polling interval for Ctrl-C."""


class Interrupt:
    """Whether Ctrl-C was pressed after :meth:`notice` was called."""

    def __init__(self) -> None:
        self._pressed = False  # no lock: a signal may interrupt its own handler

    def comes_soon(self) -> bool:
        """Return whether Ctrl-C was pressed, after waiting a moment for it."""
        until = time.monotonic() + SOON_S
        while not self._pressed and time.monotonic() < until:
            time.sleep(SLICE_S)
        return self._pressed

    def notice(self) -> None:
        """Record Ctrl-C from now on, and print one line for an early one."""
        before = signal.getsignal(signal.SIGINT)

        def note(number: int, frame: FrameType | None) -> None:
            self._pressed = True
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGINT, note)
        tell = sys.excepthook

        def one_line(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            if issubclass(kind, KeyboardInterrupt):  # Snakemake does not handle it this early
                say(STOPPED)
            else:
                tell(kind, error, trace)

        sys.excepthook = one_line
