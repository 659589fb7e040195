"""How a job deals with memory: what is freed stays with it, and modules are not looked through."""

import contextlib
import ctypes
import errno
import gc
from collections.abc import Iterator

GIVE_BACK_EVERY = 20
"""Chunks after which unused memory is given back: often enough for the peak not to grow with the
length of a run, and seldom enough to cost a few percent of the time at most."""

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Parameters of glibc's ``mallopt`` (malloc.h)."""

NEVER = 2**31 - 1
HIGHEST_BEFORE_2_35 = 32 * 2**20
"""HEAP_MAX_SIZE / 2, bytes; ``mallopt`` returns 0 for more and leaves all as it was."""


def keep_freed() -> None:
    """Have large arrays made from memory that was used before.

    Otherwise the C library gives each back to the system and asks for it again with the next
    chunk; clearing its pages then takes as long as decoding them. All threads share what is freed:
    with heaps of their own, one asks for more while another's is unused. Without glibc nothing
    happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    # Setting either threshold ends glibc's own adjustment of both, so the one that may be refused
    # comes first: before glibc 2.35 the threshold for mmap is limited.
    if mallopt(M_MMAP_THRESHOLD, NEVER) or mallopt(M_MMAP_THRESHOLD, HIGHEST_BEFORE_2_35):
        mallopt(M_TRIM_THRESHOLD, NEVER)
    mallopt(M_ARENA_MAX, 1)


def give_back_unused() -> None:
    """Give memory back that nothing uses now, of all threads.

    What :func:`keep_freed` keeps becomes fragmented with time, and grows. Without glibc nothing
    happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def was_wanting(error: BaseException) -> bool:
    """Tell whether an exception says that there was no memory left.

    Also where a library could not be loaded for that, or the stack of a thread had no room.
    """
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and "failed to map segment" in str(error))
        or (isinstance(error, RuntimeError) and "can't start new thread" in str(error))
    )


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import modules without the garbage collector, and keep it off them for good.

    What they make stays to the end. The collector would look through it many times on the way and
    once more when the process ends: of strax, that is 0.5 s of 1.25 s.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
