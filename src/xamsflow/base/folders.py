"""Folders that may not exist yet."""

import os
from pathlib import Path


def existing(folder: Path) -> Path:
    """Return the folder, absolute, or the closest parent that exists and can be looked up."""
    whole = folder.absolute()
    # Path.exists raises if a parent may not be read.
    return next(path for path in (whole, *whole.parents) if os.path.exists(path))  # noqa: PTH110
