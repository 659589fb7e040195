"""A person at a real pseudo-terminal: sees the screen as a terminal would show it, and types."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

PATIENCE_S = 60.0

_SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")
_PLAIN = re.compile(r"[^\x1b\r\n]+")


class Terminal:
    """Runs a command on a terminal of `columns` x `lines`."""

    def __init__(
        self,
        command: Sequence[Any],
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        self.size = (columns, lines)
        self._set_size()
        self.mode = termios.tcgetattr(self._theirs)
        self.said = ""
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), self._theirs)
        # A session of its own, whose terminal this is: resizing and Ctrl-C then arrive as signals.
        self.process = subprocess.Popen(["setsid", "--ctty", *command], env=env, **ends)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._theirs)  # ends the reader
        self._reader.join()
        os.close(self._ours)

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 1 << 16):
                self.said += data.decode("utf-8", "replace")
        except OSError:  # the other side is closed
            pass

    def _set_size(self) -> None:
        columns, lines = self.size
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self.size = (columns, lines)
        self._set_size()

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def has_its_mode_back(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.mode

    def screen(self) -> list[str]:
        """Return the lines as they stand on the screen, colors left out; ASCII and … only."""
        lines, row, text = [""] * 200, 0, self.said
        while text:
            if sequence := _SEQUENCE.match(text):
                private, numbers, command = sequence.groups()
                if command == "H":
                    row = int(numbers.partition(";")[0] or 1) - 1
                    column = 0
                elif command == "J" and numbers == "2":
                    lines = [""] * 200
                elif command == "J":
                    lines[row:] = [""] * (200 - row)
                elif command == "K":
                    lines[row] = lines[row][:column]
                else:
                    assert private or command == "m", sequence[0]
                text = text[sequence.end() :]
                continue
            plain = _PLAIN.match(text)
            if plain is None:
                row, column, text = row + (text[0] == "\n"), 0, text[1:]
                continue
            lines[row] = lines[row][:column] + plain[0] + lines[row][column + len(plain[0]) :]
            column += len(plain[0])
            text = text[plain.end() :]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait_until(self, condition: Callable[[list[str]], object]) -> list[str]:
        """Return the screen once it fulfils a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition(self.screen()):
            assert time.monotonic() < deadline, "\n".join(self.screen())
            assert self.process.poll() is None, self.said
            time.sleep(0.05)
        return self.screen()

    def end(self) -> int:
        """Wait for the end of the command and return its exit code."""
        return self.process.wait(PATIENCE_S)
