"""Folders for what libraries keep between processes: compiled functions, parsed files.

By default these are in the environment and in the user's home; neither is always writable.
"""

import os
import sysconfig
from pathlib import Path

COMPILED = "NUMBA_CACHE_DIR"
OTHERS = "XDG_CACHE_HOME"


def compiled_elsewhere(folder: Path) -> Path | None:
    """Return where numba keeps compiled functions, None for next to the code.

    `folder` is used if others own the environment: numba ignores a cache that it cannot write.
    """
    if told := os.environ.get(COMPILED):
        return Path(told)
    return None if os.access(sysconfig.get_path("purelib"), os.W_OK) else folder.absolute()


def home_is_usable() -> bool:
    """Return whether libraries can keep files in the user's home, or in XDG_CACHE_HOME."""
    told = os.environ.get(OTHERS)
    try:
        folder = Path(told) if told else Path.home() / ".cache"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home at all
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of this process, in which libraries can keep their files."""
    if home_is_usable():
        return dict(os.environ)
    return os.environ | {OTHERS: str(folder.absolute())}
