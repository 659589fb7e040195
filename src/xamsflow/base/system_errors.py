"""What an operating-system error means for a run: a table by errno."""

import errno
import os
from pathlib import Path

from xamsflow.base.errors import (
    ConfigurationError,
    ResourcesError,
    TransientError,
    XamsflowError,
)

_FULL = (ResourcesError, "free some space there, then start again")
_NO_MEMORY = (ResourcesError, "start again with more memory")
_NO_RIGHT = (ConfigurationError, "check the folder and its access rights")
_CANNOT_DO_IT = (ConfigurationError, "the file system does not support this: choose another one")
_IN_THE_WAY = (ConfigurationError, "another file or folder is in the way: move it away")
_AWAY = (TransientError, "if this persists, check the disk, its mount and the network")

_TABLE: dict[int, tuple[type[XamsflowError], str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.ENOMEM: _NO_MEMORY,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.ENOSYS: _CANNOT_DO_IT,
    errno.EOPNOTSUPP: _CANNOT_DO_IT,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTEMPTY: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.ENAMETOOLONG: _IN_THE_WAY,
}
"""All other errors are transient: stale handles, unavailable disks, too many open files."""


def kind(number: int | None) -> tuple[type[XamsflowError], str]:
    """Return the error class for an error number, and what a person can do about it."""
    return _AWAY if number is None else _TABLE.get(number, _AWAY)


def readable(error: Exception) -> XamsflowError:
    """Return any exception as an error in one line, for processes that must outlive it."""
    if isinstance(error, XamsflowError):
        return error
    if isinstance(error, OSError):
        return cannot("use", "a file", error)
    return XamsflowError(f"unexpected {type(error).__name__}: {error}", "please report this")


def cannot(action: str, where: Path | str, error: OSError) -> XamsflowError:
    """Return an error that says which system call failed and what a person can do about it.

    `action` is a verb, for example ``write``. The message names the file in `error`, or else
    `where`.
    """
    where = error.filename or where
    error_type, remedy = kind(error.errno)
    text = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    if (error_type, remedy) == _FULL:
        return error_type(f"no space left for {where} ({text})", remedy)
    return error_type(f"cannot {action} {where} ({text})", remedy)
