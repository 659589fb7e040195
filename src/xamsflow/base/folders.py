"""Folders that may not exist yet, or may not be written."""

import os
from pathlib import Path


def existing(folder: Path) -> Path:
    """Return the folder, absolute, or the closest parent that exists and can be looked up."""
    whole = folder.absolute()
    # Path.exists raises if a parent may not be read.
    return next(path for path in (whole, *whole.parents) if os.path.exists(path))  # noqa: PTH110


def is_writable(folder: Path) -> bool:
    """Return whether this user can make files in a folder that exists."""
    # Not even root can write to a file system that is mounted read-only.
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    return os.access(folder, os.W_OK | os.X_OK) and not read_only
