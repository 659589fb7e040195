import threading

import pytest

from xamsflow.base.errors import TransientError
from xamsflow.run.heartbeat import beating


@pytest.mark.parametrize(
    "error", [OSError("stale"), TransientError("away"), RecursionError(), KeyError("x")]
)
def test_no_error_ends_the_heartbeat(error):
    beats, enough = [], threading.Event()

    def beat():
        beats.append(1)
        if len(beats) == 3:
            enough.set()
        raise error

    with beating(beat, period_s=0.01):
        assert enough.wait(30)
