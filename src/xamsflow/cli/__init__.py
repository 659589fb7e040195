"""The command line ``xamsflow``: one module per command.

A command's module defines ``HELP`` (one line), ``add_arguments`` and ``run``, which returns the
exit code, and sets ``ONLY_LOOKS = True`` if the working directory must already exist. A command's
dependencies are imported only when it is called.

::

    command      which command is called, and how its errors are shown
    choosing     runs as people specify them
    asking       what commands that change run documents share: show, ask, act
    next_step    what processes pending runs: a watch, or a command to type
    live_status  the table of runs that redraws itself
    accepting    what commands that propose a measured value for a correction file share
"""

import signal
from collections.abc import Sequence

from xamsflow.base import starting

VERBS = (
    *("status", "show", "why", "log", "bundle", "plan", "page", "display", "verify"),
    *("quantities", "health", "good"),
    *("pend", "hold", "release", "retry", "reprocess", "retransfer", "abandon"),
    *("compare", "lineage", "campaign"),
    *("gains", "lifetime"),
    *("init", "watch", "doctor", "reconcile", "simulate", "demo", "completion"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 only if everything requested was done."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports needs no traceback
    starting.open_streams()
    starting.prefer_own_packages()
    from xamsflow.cli import command  # noqa: PLC0415

    return command.run(arguments, on_ctrl_c=before)
