"""A terminal whose lines are redrawn in place, and which is restored afterwards."""

import contextlib
import io
import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Any, Self

from xamsflow.base.printable import PrintableStream
from xamsflow.views import terminal

# ECMA-48, and the private modes that all terminals since xterm know.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, without cursor and wrapping: the terminal cuts long lines."""
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
CLEAR = "\x1b[H\x1b[2J"
CLEAR_REST_OF_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"

SMALLEST = (20, 3)
"""Columns and lines to assume if a terminal does not know its size."""


def is_possible() -> bool:
    """Return whether the output is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """An alternate screen on this process's terminal, from which keys are read.

    The terminal is restored however the block ends: with an error, Ctrl-C, SIGTERM or a lost
    connection. Ctrl-Z works too. Use it in the main thread.
    """

    def __init__(self) -> None:
        self._out = sys.stdout.fileno()
        self._in = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._drawn: list[str] | None = None
        self._mode: list[Any] | None = None
        self._woken, self._waker = os.pipe()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        os.set_blocking(self._waker, False)
        handlers = {
            signal.SIGTERM: self._end,
            signal.SIGHUP: self._end,
            signal.SIGWINCH: self._resized,
            signal.SIGTSTP: self._pause,
        }
        self._before = {number: signal.signal(number, what) for number, what in handlers.items()}
        self._take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give_back()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        woken, waker, self._woken, self._waker = self._woken, self._waker, -1, -1
        os.close(woken)
        os.close(waker)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        found = os.get_terminal_size(self._out)
        return (found.columns or SMALLEST[0], found.lines or SMALLEST[1])

    def draw(self, lines: list[str]) -> None:
        """Show these lines instead of the present ones, sending only those that differ.

        Lines that do not fit are left out. Control characters in them are escaped, except colors.
        """
        lines = [_harmless(line) for line in lines[: self.size[1]]]
        before = self._drawn
        text = CLEAR if before is None else ""
        for i, line in enumerate(lines):
            if before is None or i >= len(before) or line != before[i]:
                text += f"\x1b[{i + 1};1H{line}{CLEAR_REST_OF_LINE}"
        if before is not None and len(lines) < len(before):
            text += f"\x1b[{len(lines) + 1};1H{CLEAR_BELOW}"
        self._drawn = lines
        self._write(text)

    def key(self, timeout_s: float) -> str | None:
        """Wait for a key, but no longer than `timeout_s`; return None if nobody has pressed one.

        Also returns None if the size has changed, or after :meth:`wake`. Raises EOFError if the
        terminal is gone.
        """
        sources = [self._woken] if self._in is None else [self._woken, self._in]
        ready, _, _ = select.select(sources, [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._in is None or self._in not in ready:
            return None
        typed = os.read(self._in, 1024)
        if not typed:
            raise EOFError
        return typed.decode("utf-8", "replace")

    def wake(self) -> None:
        """End a wait for a key; any thread may call it."""
        with contextlib.suppress(OSError):  # nobody has read the earlier ones, or it has ended
            os.write(self._waker, b"!")

    def _take(self) -> None:
        if self._in is not None:
            self._mode = termios.tcgetattr(self._in)
            tty.setcbreak(self._in)  # keys arrive at once; Ctrl-C and Ctrl-Z remain signals
        self._drawn = None
        self._write(ENTER)

    def _give_back(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            self._write(LEAVE)
            if self._in is not None and self._mode is not None:
                termios.tcsetattr(self._in, termios.TCSADRAIN, self._mode)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._out, data) :]

    def _end(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self._drawn = None
        self.wake()

    def _pause(self, _number: int, _frame: FrameType | None) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self.wake()


def _harmless(line: str) -> str:
    text = io.StringIO()
    PrintableStream.of(text, terminal.SEQUENCES).write(line)
    return text.getvalue().replace("\n", " ")
