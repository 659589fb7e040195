"""Files that are written in one piece, and that survive a power cut."""

import contextlib
import errno
import os
import secrets
import stat
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


def make_shared_folder(path: Path) -> None:
    """Make a folder for everybody who can use its parent, whatever the umask; it survives as well.

    A folder that is there is left as it is.
    """
    if not path.is_dir():
        make_folder(path)
        share(path, path.parent)


def share(path: Path, folder: Path) -> None:
    """Give a file or folder the group of `folder`, and its rights to read and write.

    Nobody else is allowed to write to it. It is left as it is if the group cannot be given, because
    another group could then write.
    """
    wanted = folder.stat()
    most = 0o2775 if path.is_dir() else 0o664
    with contextlib.suppress(OSError):
        os.chown(path, -1, wanted.st_gid)
        path.chmod(stat.S_IMODE(wanted.st_mode) & most)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and wait until they are on the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)
