"""One job at a time per run, also when a dead driver's job still works on it."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xamsflow.state.receipts import storage_error

logger = logging.getLogger(__name__)


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock `path` at this moment; nothing is written."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting for whoever holds it now.

    The kernel gives the lock back when its holder ends, however it ends, so that nothing is left
    to clean. Between hosts it needs a file system that passes locks on, as NFS version 4 does.
    """
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another job works on this run; waiting until it has ended")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def at_once(path: Path) -> Iterator[bool]:
    """Hold the lock `path` unless somebody else does, and tell whether it is ours."""
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
