"""What all tests share."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    """Return the folder with the real run 002240, where it lies beside the repository."""
    if not (SHARED_DATA / "live_data" / "002240").is_dir():
        pytest.skip("the real run 002240 is not here")
    return SHARED_DATA
