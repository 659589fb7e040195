"""Files that are written in one piece, and that survive a power cut."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from xamsflow.base import system_errors


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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file name to write to, which becomes `path` at the end: readers see all or nothing.

    Raises the errors of :func:`xamsflow.base.system_errors.cannot`.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a disk that has become read-only keeps it
            partial.unlink()
        if isinstance(error, OSError):
            if error.filename == str(partial):
                error.filename = str(path)
            raise system_errors.cannot("write", path, error) from error
        raise


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and wait until they are on the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)
