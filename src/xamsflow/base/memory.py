"""Memory management of a job: freed memory is reused, and the garbage collector skips modules."""

import contextlib
import ctypes
import errno
import gc
from collections.abc import Iterator

GIVE_BACK_EVERY = 20
"""Chunks after which unused memory is returned to the system. This is often enough to keep the peak
independent of the run's length, and seldom enough to cost only a few percent of the time."""

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Parameters of glibc's ``mallopt`` (malloc.h)."""

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment of a process that asks the kernel for pages of 2 MB (glibc 2.35 or later).

A fork of the process then copies a smaller page table, and new memory takes a tenth of the page
faults. Where the kernel uses huge pages for all programs, or for none, this changes nothing.
"""

NEVER = 2**31 - 1
HIGHEST_BEFORE_2_35 = 32 * 2**20
"""HEAP_MAX_SIZE / 2, bytes; above it, ``mallopt`` returns 0 and changes nothing."""


def keep_freed() -> None:
    """Keep freed memory in the process and reuse it for large arrays.

    Otherwise the C library returns each array to the system and requests memory again for the next
    chunk; clearing its pages then takes as long as decoding the chunk. All threads share one heap,
    because with separate heaps one thread would request memory while that of another is unused.
    Without glibc, the function does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    # Setting either threshold stops glibc's automatic adjustment of both, so the threshold that may
    # be refused comes first: before glibc 2.35 the mmap threshold has an upper limit.
    if mallopt(M_MMAP_THRESHOLD, NEVER) or mallopt(M_MMAP_THRESHOLD, HIGHEST_BEFORE_2_35):
        mallopt(M_TRIM_THRESHOLD, NEVER)
    mallopt(M_ARENA_MAX, 1)


def give_back_unused() -> None:
    """Return the unused memory of all threads to the system.

    The memory that :func:`keep_freed` keeps fragments and grows over time. Without glibc, the
    function does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def was_wanting(error: BaseException) -> bool:
    """Return whether an exception means that the process ran out of memory.

    This includes a library that cannot be loaded, and a thread that cannot get a stack.
    """
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and "failed to map segment" in str(error))
        or (isinstance(error, RuntimeError) and "can't start new thread" in str(error))
    )


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import modules with the garbage collector off, and exempt their objects from it for good.

    These objects live until the process ends. The collector would scan them many times during the
    import and once more at exit, which for strax takes 0.5 s of 1.25 s.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def gathering() -> Iterator[None]:
    """Make very many small objects that stay: the collector, which is off, would scan them all."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
