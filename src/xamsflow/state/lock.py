"""One job at a time per run, even if a dead driver's job is still working on the run."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.base.durable import make_shared_folder

logger = logging.getLogger(__name__)


def is_held(path: Path) -> bool:
    """Return whether another process holds the lock `path` now; nothing is written.

    Another user's lock that cannot be opened counts as held.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    except OSError as error:
        raise system_errors.cannot("read", path, error) from error
    try:
        return not _lock(path, descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock `path`; wait for any current holder.

    The kernel releases the lock when its holder ends for whatever reason, so there is nothing to
    clean up. Between hosts, the file system must support locks, as NFS version 4 does.
    """
    with _opened(path) as descriptor:
        if not _lock(path, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            logger.info("another job is working on this run; waiting for it to end")
            _lock(path, descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def at_once(path: Path) -> Iterator[bool]:
    """Try to take the lock `path` without waiting; yield whether it was free."""
    with _opened(path) as descriptor:
        yield _lock(path, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(path: Path, descriptor: int, operation: int) -> bool:
    """Take a lock; return whether it was free."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as error:  # its message does not name the file
        raise system_errors.cannot("lock", path, error) from error
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        make_shared_folder(path.parent)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
        except PermissionError:  # another user's file; only NFS requires write access for a lock
            descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise system_errors.cannot("write", path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
