from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import strax

from xamsflow.data.plugins.settings import THREADS, SignalsPlugin

DTYPE = np.dtype(strax.time_fields)
END = 1000


class Stuck(SignalsPlugin):
    """Chunks that are not done before they are let go."""

    depends_on = ("given",)
    provides = ("stuck",)
    data_kind = "stuck"
    dtype = DTYPE

    def __init__(self, free: Event) -> None:
        super().__init__()
        self.config = {THREADS: 2}
        self.free = free

    def dependencies_by_kind(self) -> dict[str, list[str]]:
        return {"given": ["given"]}

    def do_compute(self, chunk_i: int | None = None, **_: Any) -> int | None:
        if chunk_i:
            self.free.wait()
        return chunk_i


def chunk(number: int) -> strax.Chunk:
    return strax.Chunk(
        data_type="given",
        data_kind="given",
        dtype=DTYPE,
        run_id="000007",
        start=number * END,
        end=(number + 1) * END,
        data=np.zeros(0, DTYPE),
    )


def test_abandoning_a_run_does_not_wait_for_chunks() -> None:
    free = Event()
    results = Stuck(free).iter({"given": iter([chunk(0), chunk(1), chunk(2)])})
    assert next(results) == 0
    with ThreadPoolExecutor(1) as closing:
        closed = closing.submit(results.close)
        try:
            closed.result(timeout=10)
        finally:
            free.set()
