"""What a program of this project does before it imports anything else."""

import os
import signal
import site
import sys


def begin() -> None:
    """Prepare a process that nothing else has prepared: Ctrl-C ends it quietly until handled."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    open_streams()
    prefer_own_packages()


def open_streams() -> None:
    """Open standard streams that this process was started without, so that writing cannot fail.

    Otherwise the next file opened would be a standard stream of all child processes.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115


def prefer_own_packages() -> None:
    """Move what PYTHONPATH and the user's own packages add to the module path to its end.

    What others have put there, for example a view of many packages, replaces none of ours.
    """
    added = {os.path.abspath(folder) for folder in added_folders()}  # noqa: PTH100 - loads fast
    sys.path.sort(key=lambda folder: os.path.abspath(folder) in added)  # noqa: PTH100


def added_folders() -> list[str]:
    """Return the folders with packages from outside this environment."""
    given = os.environ.get("PYTHONPATH", "")
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [folder for folder in given.split(os.pathsep) if folder] + own
