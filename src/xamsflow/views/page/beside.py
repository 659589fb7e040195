"""Draw pictures in the background, in one low-priority child process."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.base.exec_with_parent import with_parent
from xamsflow.state import layout

NICE = 19
"""The lowest priority: every other process goes first."""

STOPPED_IN_S = 10.0
"""Time that a child has to clean up after SIGINT."""


class PicturesBeside:
    """Draws missing pictures without delaying the caller.

    The child runs ``xamsflow page``, so that the page links to the pictures once they exist. It
    ends when this process ends.
    """

    def __init__(
        self,
        configfiles: Sequence[Path],
        at_most: int,
        say: Callable[[str], None],
        *,
        quantities: bool = False,
    ) -> None:
        """Prepare; a child draws `at_most` pictures, and `say` is called if the child fails.

        With `quantities`, it also measures those of new runs.
        """
        command = Path(sys.executable).with_name("xamsflow")
        self._has_work = at_most > 0 or quantities
        self._command = [
            *("nice", "-n", str(NICE), str(command), "page", "--pictures", str(at_most)),
            *(["--quantities"] if quantities else []),
            *(f"--configfile={file}" for file in configfiles),
        ]
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted = False

    def draw(self, *, wanted: bool) -> None:
        """Start a child if pictures are `wanted`, or were requested while the last child ran.

        Call it regularly, even if no pictures are wanted.
        """
        self._wanted |= wanted and self._has_work
        self._look_after_child()
        if not self._wanted or self._child is not None:
            return
        self._wanted = False
        try:
            layout.PICTURES_LOG.parent.mkdir(parents=True, exist_ok=True)
            with layout.PICTURES_LOG.open("wb") as said:
                self._child = subprocess.Popen(
                    with_parent(self._command),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C at the terminal reaches only this process
                )
        except OSError as error:
            trouble = system_errors.cannot("write", layout.PICTURES_LOG, error)
            self._say(f"no pictures are drawn: {trouble}")

    def finish(self) -> None:
        """Wait until all requested pictures are drawn."""
        while self._child is not None or self._wanted:
            self.draw(wanted=False)
            if self._child is not None:
                self._child.wait()
                self._look_after_child()

    def stop(self) -> None:
        """Stop the child; the remaining pictures are drawn another time."""
        self._wanted = False
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOPPED_IN_S)
        self._child.kill()
        self._child.wait()
        self._child = None

    def _look_after_child(self) -> None:
        if self._child is None or self._child.poll() is None:
            return
        if self._child.returncode != 0:
            self._say(
                f"pictures were not drawn (exit code {self._child.returncode}, "
                f"see {layout.PICTURES_LOG})"
            )
        self._child = None
