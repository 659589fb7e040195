"""Checks that a run has enough signals, thread by thread and part by part.

If redax overwrites a part, or files are lost or emptied, the remaining files are formally correct,
and only the number of signals reveals the loss. It is compared with the previous and the next parts
of the same thread, and all of these must contradict it, so that neither a moving source nor a quiet
run causes a finding.
"""

import numpy as np

from xamsflow.redax.buffering import may_write
from xamsflow.redax.counts import MAIN_PART, OVERLAP, Counts
from xamsflow.redax.findings import DEGRADED, REJECT, Findings, Severity

MIN_EXPECTED = 30
"""Minimum number of expected signals in a part for their absence to be a fault."""

TOO_FEW = 0.1
"""Share of the expected signals below which a part counts as overwritten."""

PARTS = "main part", "overlap"

_Part = tuple[int, int, int]
"""Thread, chunk, and main part or overlap."""


def check(counts: Counts, buffered_chunks: int, findings: Findings) -> None:
    """Check all parts of a run; `buffered_chunks` is the number of chunks that redax buffers."""
    for thread in range(len(counts.threads)):
        for chunk in range(counts.n_chunks):
            _check_main_part(counts, thread, chunk, buffered_chunks, findings)
            if chunk < counts.n_chunks - 1:
                _check_overlap(counts, thread, chunk, findings)
        _check_end(counts, thread, findings)


def _check_main_part(
    counts: Counts, thread: int, chunk: int, buffered_chunks: int, findings: Findings
) -> None:
    rates = counts.signals[thread] / counts.durations
    # An overlap alone is too short for an expectation.
    before = rates[chunk - 1].min() if chunk else rates[1:2, MAIN_PART].sum()
    following = rates[chunk + 1 : chunk + 2, MAIN_PART].min(initial=np.inf)
    if counts.signals[thread, chunk].any():
        after = min(rates[chunk, OVERLAP], following)
    else:
        # redax drops an overlap without main part; the first and last data may be anywhere.
        after = following if 0 < chunk < counts.n_chunks - 1 else 0.0
    part = (thread, chunk, MAIN_PART)
    expected = counts.durations[MAIN_PART] * min(before, after)
    if counts.records[part]:
        if _is_missed(counts, part, expected):
            _add("T14", counts, part, expected, findings)
        return
    is_contradicted = (
        counts.written[thread, chunk]
        and counts.records[thread, chunk, OVERLAP] > 0
        and not may_write(counts, thread, chunk, buffered_chunks)
    )
    is_missed = _is_missed(counts, part, expected)
    if is_missed or is_contradicted:
        severity = REJECT if is_missed and is_contradicted else DEGRADED
        _add("T6", counts, part, expected, findings, severity=severity)


def _check_overlap(counts: Counts, thread: int, chunk: int, findings: Findings) -> None:
    main = counts.signals[thread, chunk : chunk + 2, MAIN_PART]
    expected = main.min() / counts.durations[MAIN_PART] * counts.durations[OVERLAP]
    part = (thread, chunk, OVERLAP)
    if _is_missed(counts, part, expected):
        _add("T14", counts, part, expected, findings)


def _is_missed(counts: Counts, part: _Part, expected: float) -> bool:
    return expected >= MIN_EXPECTED and counts.signals[part] <= TOO_FEW * expected


def _add(
    rule: str,
    counts: Counts,
    part: _Part,
    expected: float,
    findings: Findings,
    *,
    severity: Severity = DEGRADED,
) -> None:
    thread, chunk, kind = part
    found = int(counts.signals[part])
    findings.add(
        rule,
        f"in the {PARTS[kind]} of chunk {chunk}, {counts.threads[thread]} has {found} signals, "
        f"but the neighboring parts suggest about {expected:.0f}",
        severity=severity,
        lost_ns=counts.durations[kind],
        lost_records=round((expected - found) * counts.records_per_signal(thread)),
        chunk=chunk,
    )


def _check_end(counts: Counts, thread: int, findings: Findings) -> None:
    """Check whether a thread stops before the others; in the last chunk it may."""
    (written,) = np.nonzero(counts.written[thread])
    last = int(written[-1]) if len(written) else -1
    n_missing = counts.n_chunks - 2 - last
    if last < 1 or n_missing < 1:
        return
    others = np.delete(counts.signals[..., MAIN_PART], thread, axis=0).sum(axis=0)
    go_on = others[last + 1 : -1].mean() / max(1, others[:last].mean())
    expected = n_missing * counts.signals[thread, last - 1, MAIN_PART] * min(1.0, go_on)
    if expected >= MIN_EXPECTED:
        findings.add(
            "T9",
            f"{counts.threads[thread]} wrote nothing after chunk {last}, but the run has "
            f"{n_missing + 1} more chunks, with about {expected:.0f} signals expected",
            severity=DEGRADED,
            lost_ns=n_missing * sum(counts.durations),
            lost_records=round(expected * counts.records_per_signal(thread)),
            chunk=last + 1,
        )
