"""Rows of two lineages are matched by their overlap in time."""

import numpy as np
import pytest
import strax

from xamsflow.data import matching


def rows(*intervals):
    found = np.zeros(len(intervals), strax.time_fields)
    for one, (start, end) in zip(found, intervals, strict=True):
        one["time"], one["endtime"] = start, end
    return found


@pytest.mark.parametrize(
    ("old", "new", "pairs", "n_split", "n_merged"),
    [
        ([], [], [], 0, 0),
        ([(0, 10)], [], [], 0, 0),
        ([], [(0, 10)], [], 0, 0),
        ([(0, 10)], [(0, 10)], [(0, 0)], 0, 0),
        ([(0, 10)], [(10, 20)], [], 0, 0),
        ([(0, 10)], [(9, 20)], [(0, 0)], 0, 0),
        ([(0, 10)], [(0, 4), (4, 10)], [(0, 1)], 1, 0),
        ([(0, 4), (4, 10)], [(0, 10)], [(1, 0)], 0, 1),
        ([(0, 5), (5, 10)], [(0, 10)], [(0, 0)], 0, 1),
        ([(0, 10), (20, 30)], [(1, 9), (12, 14), (21, 40)], [(0, 0), (1, 2)], 0, 0),
        # The second old row overlaps most with a new row that the first one has more of.
        ([(0, 10), (10, 15)], [(2, 14), (14, 15)], [(0, 0)], 1, 1),
    ],
)
def test_pairs(old, new, pairs, n_split, n_merged):
    found = matching.match(rows(*old), rows(*new))
    assert list(zip(found.old.tolist(), found.new.tolist(), strict=True)) == pairs
    assert (found.n_split, found.n_merged) == (n_split, n_merged)


def test_any_rows_are_matched_once_and_as_their_mirror_image():
    random = np.random.default_rng(1)
    for _ in range(20):
        old, new = (
            np.sort(random.choice(2000, 2 * n, replace=False)).reshape(-1, 2)
            for n in random.integers(1, 200, 2)
        )
        found = matching.match(rows(*old), rows(*new))
        back = matching.match(rows(*new), rows(*old))
        assert len(set(found.old)) == len(set(found.new)) == len(found.old) == len(back.old)
        np.testing.assert_array_equal(found.old, back.new[np.argsort(back.new)])
        overlap = np.minimum(old[found.old, 1], new[found.new, 1]) - np.maximum(
            old[found.old, 0], new[found.new, 0]
        )
        assert (overlap > 0).all()
        assert (found.n_split, found.n_merged) == (back.n_merged, back.n_split)
