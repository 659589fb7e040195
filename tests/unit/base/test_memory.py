import errno
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from xamsflow.base import memory

MAKE_ARRAYS = """
import resource, sys
from xamsflow.base import memory
memory.NEVER = int(sys.argv[1])
memory.keep_freed()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytearray(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("highest", [memory.NEVER, memory.HIGHEST_BEFORE_2_35])
def test_large_arrays_reuse_freed_memory(highest):
    """Each page is asked for once, whichever limit this C library has."""
    done = subprocess.run(
        [sys.executable, "-c", MAKE_ARRAYS, str(highest)],
        capture_output=True,
        text=True,
        check=True,
    )
    pages = (8 << 20) // resource.getpagesize()
    assert int(done.stdout) < 3 * pages


WRITE = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(b"1") * (64 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_huge_pages_are_used_where_kernel_and_c_library_can():
    done = subprocess.run(
        [sys.executable, "-c", WRITE],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | memory.HUGE_PAGES,
    )
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    how = setting.read_text() if setting.exists() else "[never]"
    library = tuple(map(int, platform.libc_ver()[1].split(".")))
    can = "[always]" in how or ("[madvise]" in how and library >= (2, 35))
    pages = (64 << 20) // resource.getpagesize()
    assert int(done.stdout) < (pages / 10 if can else 2 * pages)


@pytest.mark.parametrize(
    ("error", "wanting"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libx.so: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ImportError("No module named 'x'"), False),
        (RuntimeError("something else"), False),
    ],
)
def test_lack_of_memory_is_distinguished_from_other_errors(error, wanting):
    assert memory.was_wanting(error) == wanting
