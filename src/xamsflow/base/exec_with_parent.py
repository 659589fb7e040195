"""Run a command that ends with the process that started it: ``exec_with_parent.py PID COMMAND…``.

A batch system kills a job's Python with SIGKILL; a command left running would interfere with the
next attempt. Likewise, a server must not outlive the program that started it. This is a separate
program because Python code between fork and exec may deadlock in a process with threads. Like
`fork_client`, it imports little, to start fast.
"""

import _signal  # type: ignore[import-not-found]
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def with_parent(command: list[str]) -> list[str]:
    """Return a command that runs another one and sends it SIGTERM when this process ends.

    To be exact, Linux sends the signal when the thread that started the command ends
    (PR_SET_PDEATHSIG in prctl(2)). If the command cannot be run, the exit code is 1 and stderr
    contains the reason in one line.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Request SIGTERM from Linux for the parent's death, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, _signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the request
        sys.exit(1)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)  # Python ignores SIGPIPE, and exec keeps that
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(error.strerror)


if __name__ == "__main__":
    main()
