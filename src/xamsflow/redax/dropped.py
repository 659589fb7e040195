"""Data that redax dropped: overlaps that it never wrote, estimated from what it did write.

An overlap after a main part without data is often never written, see `xamsflow.redax.buffering`.

If a thread has a file in ``THE_END`` and no other, it received a read-out batch but wrote nothing:
either all of its data were in such overlaps, or a board failed and the batch was empty.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xamsflow.redax.counts import MAIN_PART, OVERLAP, Counts
from xamsflow.redax.findings import DEGRADED, NOTE, Findings

SHARE = 0.01
"""Share of a run's records; a loss of at least this much makes the run degraded."""

CHANCE = 0.1
"""A loss counts if its probability is above this."""

MAX_SIGNALS = 10_000
"""Signals beyond which fluctuations do not matter."""

SILENT = 3.0
"""Upper limit on the expected number of signals if there are none: its probability is 5 %."""

TOO_FEW = 0.01
"""Redax has dropped data of an overlap if the probability is below this that any overlap of the run
has so few signals by chance."""


def check(
    counts: Counts,
    silent_threads: Sequence[str],
    duration: int | None,
    findings: Findings,
) -> None:
    """Add findings for data that redax dropped.

    `silent_threads` have a file in ``THE_END`` only. `duration` is the run's in ns, if known.
    """
    is_seen = _check_silent_threads(counts, silent_threads, findings)
    _check_overlaps(counts, 0 if is_seen else len(silent_threads), duration, findings)


def _check_silent_threads(counts: Counts, threads: Sequence[str], findings: Findings) -> bool:
    """Look for an overlap that lacks data of a silent thread; return whether the loss is certain.

    If there are no other data at all, the loss is certain without a search.
    """
    if not threads:
        return False
    signals = counts.signals.sum(axis=0)
    main, overlap = signals[:, MAIN_PART], signals[:-1, OVERLAP]
    ratio = counts.durations[OVERLAP] / counts.durations[MAIN_PART]
    expected = (main[:-1] + main[1:]) / 2 * ratio
    missing = [
        chunk
        for chunk in range(len(overlap))
        if 1 - _chance(expected[chunk], int(overlap[chunk]) + 1) < TOO_FEW / len(overlap)
    ]
    lost = float((expected - overlap)[missing].sum()) * counts.records_per_signal()
    if not missing and counts.n_chunks:
        return False
    where = f": the overlap of chunk {missing[0]} has too few signals" if missing else ""
    findings.add(
        "T13",
        f"redax wrote no data of {', '.join(threads)}, which received some{where}",
        severity=DEGRADED,
        lost_ns=len(missing) * counts.durations[OVERLAP] if missing else None,
        lost_records=round(lost) if missing else None,
    )
    return True


def _check_overlaps(
    counts: Counts, n_silent: int, duration: int | None, findings: Findings
) -> None:
    """Estimate the loss from overlaps that were not written."""
    n_records = int(counts.records.sum())
    if not n_records:
        return
    unwritten = _unwritten(counts, duration)
    lost = sum(
        _expected(counts, thread, unwritten[thread]) for thread in range(len(counts.threads))
    )
    lost += n_silent * counts.records_per_signal()  # at least one signal each
    if not lost:
        return
    sizes, squares = counts.signal_sizes
    n_signals = min(MAX_SIGNALS, max(1.0, sizes**2 / max(1.0, squares)))
    chance = _chance(lost / n_records * n_signals, max(1, math.ceil(SHARE * n_signals)))
    what = []
    if n_overlaps := int(np.count_nonzero(unwritten)):
        what.append(f"{n_overlaps} overlaps after empty main parts")
    if n_silent:
        what.append(f"all data of {n_silent} threads")
    findings.add(
        "T13",
        f"redax may have dropped {' and '.join(what)}: an estimated {lost:.2g} records "
        f"({lost / n_records:.1%}) are lost",
        severity=DEGRADED if chance > CHANCE else NOTE,
        lost_ns=round(unwritten.max(axis=0).sum()),
        lost_records=round(lost),
    )


def _unwritten(counts: Counts, duration: int | None) -> npt.NDArray[np.float64]:
    """Return by thread and chunk how many ns of an overlap redax may have dropped."""
    main_ns, overlap_ns = counts.durations
    start = np.arange(counts.n_chunks) * (main_ns + overlap_ns) + main_ns
    if duration is None:
        length = np.where(np.arange(counts.n_chunks) < counts.n_chunks - 1, float(overlap_ns), 0.0)
    else:
        length = np.clip(duration - start, 0.0, overlap_ns)
    return np.where(counts.records.sum(axis=2) == 0, length, 0.0)


def _expected(counts: Counts, thread: int, unwritten: npt.NDArray[np.float64]) -> float:
    """Return the expected number of a thread's records in `unwritten` ns of each overlap.

    Their rate is the average rate, but limited so that a silence as long as the one around the
    overlap is not improbable.
    """
    rate = counts.records[thread].sum() / (counts.n_chunks * sum(counts.durations))
    is_empty = counts.records[thread, :, MAIN_PART] == 0
    borders = np.flatnonzero(np.diff(np.concatenate([[False], is_empty, [False]])))
    lost = 0.0
    for first, end in borders.reshape(-1, 2):
        silence = (end - first) * counts.durations[MAIN_PART]
        highest = SILENT * counts.records_per_signal(thread) / silence
        lost += min(rate, highest) * unwritten[first:end].sum()
    return lost


def _chance(expected: float, n: int) -> float:
    """Return the probability of `n` or more events if `expected` are expected."""
    term = total = math.exp(-expected)
    for i in range(1, n):
        term *= expected / i
        total += term
    return max(0.0, 1.0 - total) if n else 1.0
