import errno

import pytest

from xamsflow.base import memory


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
def test_want_of_memory_is_told_from_other_errors(error, wanting):
    assert memory.was_wanting(error) == wanting
