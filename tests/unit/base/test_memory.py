import errno
import resource
import subprocess
import sys

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
