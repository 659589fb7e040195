"""Which rows of two lineages of a run are the same peak or event: those that overlap in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Matches:
    """Pairs of rows: `old` and `new` are their indices, ascending.

    `n_split` is the number of old rows that overlap with several new ones, `n_merged` the number of
    new rows that overlap with several old ones.
    """

    old: npt.NDArray[np.intp]
    new: npt.NDArray[np.intp]
    n_split: int
    n_merged: int


def match(old: Array, new: Array) -> Matches:
    """Match rows with ``time`` and ``endtime``, both in the order of time.

    Two rows are matched if each is the one that overlaps most with the other; of equal ones, the
    first counts.
    """
    windows = strax.touching_windows(new, old)
    n_touching = windows[:, 1] - windows[:, 0]
    first = np.repeat(np.arange(len(old)), n_touching)
    before = np.repeat(np.cumsum(n_touching) - n_touching, n_touching)
    second = np.repeat(windows[:, 0], n_touching) + np.arange(len(first)) - before
    overlap = np.minimum(old["endtime"][first], new["endtime"][second]) - np.maximum(
        old["time"][first], new["time"][second]
    )
    overlaps = overlap > 0
    first, second, overlap = first[overlaps], second[overlaps], overlap[overlaps]
    mutual = _is_best(first, overlap, second) & _is_best(second, overlap, first)
    return Matches(
        first[mutual],
        second[mutual],
        n_split=int((np.bincount(first) > 1).sum()),
        n_merged=int((np.bincount(second) > 1).sum()),
    )


def _is_best(of: Array, overlap: Array, other: Array) -> npt.NDArray[np.bool_]:
    """Return which pairs have the largest overlap of all pairs with the same row `of`."""
    order = np.lexsort((other, -overlap, of))
    best: npt.NDArray[np.bool_] = np.zeros(len(of), bool)
    best[order[np.unique(of[order], return_index=True)[1]]] = True
    return best
