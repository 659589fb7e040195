"""Files and folders that must survive a power cut."""

import errno
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's contents, or a folder's list of names, are on the disk.

    Some file systems do not support this for folders and fail with EINVAL, which is ignored:
    nothing more can be done there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and wait until they are on the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)
