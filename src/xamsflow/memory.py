"""Memory that is freed stays with the process, for the next chunk."""

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Parameters of glibc's ``mallopt`` (malloc.h)."""


def keep_freed() -> None:
    """Have large arrays made from memory that was used before.

    Otherwise the C library gives each back to the system and asks for it again with the next
    chunk; clearing its pages then takes as long as decoding them. The peak is the same. Elsewhere
    than with glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        mallopt(parameter, ctypes.c_int(2**31 - 1))
