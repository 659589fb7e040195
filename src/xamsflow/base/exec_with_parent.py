"""Run a command that ends with the process that started it: ``exec_with_parent.py PID COMMAND…``.

A batch system kills a job's Python with SIGKILL, and a copy left running would fight with the next
attempt's. Nor must a server outlive what it was started for. It is a program of its own because
Python code between fork and exec may deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def with_parent(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one so that it gets SIGTERM when we end, in any way.

    To Linux that means the thread that starts it (PR_SET_PDEATHSIG in prctl(2)). A command that
    cannot be run ends with exit code 1, and with the reason in one line on stderr.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Ask Linux for SIGTERM at the parent's death, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would keep that
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(error.strerror)


if __name__ == "__main__":
    main()
