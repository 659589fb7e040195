"""What a program of this project does before it imports anything else."""

import os
import signal
import site
import sys


def begin() -> None:
    """Import this environment's own packages, and end quietly on Ctrl-C until it is handled."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prefer_own_packages()


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
