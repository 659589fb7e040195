from itertools import pairwise

import numpy as np
import pytest
import strax

from xamsflow.data.processor import Rechunker

RUN = "000001"
DTYPE = np.dtype(strax.time_fields)


def chunks(seed: int) -> list[strax.Chunk]:
    """Return chunks of up to 300 rows, some empty, with and without pauses between rows."""
    random = np.random.default_rng(seed)
    steps = random.choice([20, 2000], size=3000)
    time = 100 + np.cumsum(steps)
    borders = np.sort(random.choice(len(time), 30, replace=False))
    limits = [0, *(int(time[border]) for border in borders), int(time[-1]) + 100]
    made = []
    for start, end in pairwise(limits):
        mine = time[(time >= start) & (time < end)]
        data = np.zeros(len(mine), DTYPE)
        data["time"], data["endtime"] = mine, mine + 10
        made.append(
            strax.Chunk(
                start=start,
                end=end,
                data=data,
                dtype=DTYPE,
                data_type="numbers",
                data_kind="numbers",
                run_id=RUN,
                target_size_mb=0.005,
            )
        )
    return made


@pytest.mark.parametrize("rechunk", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_chunks_are_divided_as_by_strax(seed: int, rechunk: bool) -> None:
    ours, theirs = Rechunker(rechunk, RUN), strax.Rechunker(rechunk, RUN)
    n_written = 0
    for chunk in [*chunks(seed), None]:
        made, expected = (
            one.flush() if chunk is None else one.receive(chunk) for one in (ours, theirs)
        )
        assert [(c.start, c.end) for c in made] == [(c.start, c.end) for c in expected]
        for one, other in zip(made, expected, strict=True):
            assert np.array_equal(one.data, other.data)
        n_written += len(made)
    assert n_written > 1
    assert ours.flush() == theirs.flush() == []
