"""Run a command that ends with the process that started it: ``exec_with_parent.py PID COMMAND…``.

A batch system kills a job's Python with SIGKILL, and a copy left running would fight with the next
attempt's. A program of its own because Python code between fork and exec may deadlock in a process
with threads, as those of ssh connections.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main() -> None:
    """Ask Linux for SIGTERM at the parent's death, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would keep that
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
