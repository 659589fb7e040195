"""One job at a time per run, also when a dead driver's job still works on it."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xamsflow.base import system_errors

logger = logging.getLogger(__name__)


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock `path` at this moment; nothing is written."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(path, descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting for whoever holds it now.

    The kernel gives the lock back when its holder ends, however it ends, so nothing is left
    to clean up. Between hosts it needs a file system that passes locks on, as NFS version 4 does.
    """
    with _opened(path) as descriptor:
        if not _lock(path, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            logger.info("another job works on this run; waiting until it has ended")
            _lock(path, descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def at_once(path: Path) -> Iterator[bool]:
    """Hold the lock `path` unless somebody else does, and tell whether it is ours."""
    with _opened(path) as descriptor:
        yield _lock(path, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(path: Path, descriptor: int, operation: int) -> bool:
    """Take a lock; tell whether it was free."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as error:  # it names no file
        raise system_errors.cannot("lock", path, error) from error
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
        except PermissionError:  # another user's; only NFS needs the right to write for a lock
            descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise system_errors.cannot("write", path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
