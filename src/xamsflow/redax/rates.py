"""Whether a run has as many pulses as it should have, thread by thread and part by part.

redax may overwrite a part, or files may be lost or emptied, so that all that is left is in order.
Then only the number of pulses tells. It is compared with the thread's own parts just before and
just behind, all of which must speak against it: a source that is moved, or a quiet run, is none of
this.
"""

from collections.abc import Sequence

import numpy as np

from xamsflow.redax.findings import DEGRADED, NOTE, Findings

MIN_EXPECTED = 100
"""Pulses that a part must let expect before it is missed."""

TOO_FEW = 0.1
"""Share of the expected pulses below which a part counts as overwritten."""

PARTS = "main part", "overlap"


class Rates:
    """The number of pulses in each part of each thread; durations of parts are in ns."""

    def __init__(self, main_ns: int, overlap_ns: int) -> None:
        self._durations = main_ns, overlap_ns
        # Pulses and records of each file, by thread, chunk, and whether it is an overlap.
        self._counts: dict[tuple[str, int, bool], tuple[int, int]] = {}

    def count(
        self, thread: str, chunk: int, n_pulses: int, n_records: int, *, overlap: bool
    ) -> None:
        """Add a file."""
        self._counts[thread, chunk, overlap] = n_pulses, n_records

    def finish(self, threads: Sequence[str], n_chunks: int, findings: Findings) -> None:
        """Check all parts."""
        self._threads = list(threads)
        # By thread, chunk, and main part or overlap.
        self._pulses = np.zeros((len(threads), n_chunks, 2), np.int64)
        # Of main parts: whether there is a file, and whether it has records.
        self._written = np.zeros((len(threads), n_chunks), bool)
        self._has_data = np.zeros((len(threads), n_chunks), bool)
        self._records = np.zeros(len(threads), np.int64)
        for (thread, chunk, overlap), (n_pulses, n_records) in self._counts.items():
            index = self._threads.index(thread)
            self._pulses[index, chunk, int(overlap)] = n_pulses
            if not overlap:
                self._written[index, chunk] = True
                self._has_data[index, chunk] = n_records > 0
            self._records[index] += n_records
        for index in range(len(self._threads)):
            per_pulse = self._records[index] / max(1, self._pulses[index].sum())
            self._check_parts(index, per_pulse, findings)
            self._check_end(index, per_pulse, findings)
            self._note_empty_parts(index, findings)

    def _check_parts(self, index: int, per_pulse: float, findings: Findings) -> None:
        pulses = self._pulses[index]
        rates = pulses / self._durations
        for chunk in range(len(pulses)):
            # Of an overlap alone, which is short, nothing is to be expected.
            before = rates[chunk - 1].min() if chunk else rates[1:2, 0].sum()
            following = rates[chunk + 1 : chunk + 2, 0].min(initial=np.inf)
            if pulses[chunk].any():
                after = min(rates[chunk, 1], following)
            else:
                # redax drops an overlap without main part; the first and last data may be anywhere.
                after = following if 0 < chunk < len(pulses) - 1 else 0.0
            self._check_part((index, chunk, 0), min(before, after), per_pulse, findings)
            if chunk < len(pulses) - 1:
                around = min(rates[chunk, 0], following)
                self._check_part((index, chunk, 1), around, per_pulse, findings)

    def _check_part(
        self, part: tuple[int, int, int], rate: float, per_pulse: float, findings: Findings
    ) -> None:
        """Compare a part, a place in `_pulses`, with the rate around it in pulses per ns."""
        index, chunk, kind = part
        found, duration = int(self._pulses[part]), self._durations[kind]
        expected = duration * rate
        if expected < MIN_EXPECTED or found > TOO_FEW * expected:
            return
        findings.add(
            "T14" if kind or self._has_data[index, chunk] else "T6",
            f"in the {PARTS[kind]} of chunk {chunk}, {self._threads[index]} has {found} pulses, "
            f"about {expected:.0f} were to be expected from the parts around it",
            severity=DEGRADED,
            lost_ns=duration,
            lost_records=round((expected - found) * per_pulse),
            chunk=chunk,
        )

    def _check_end(self, index: int, per_pulse: float, findings: Findings) -> None:
        """Check whether a thread stops before the others; in the last chunk it may."""
        (written,) = np.nonzero(self._written[index])
        last = int(written[-1]) if len(written) else -1
        n_missing = self._pulses.shape[1] - 2 - last
        if last < 1 or n_missing < 1:
            return
        others = np.delete(self._pulses[..., 0], index, axis=0).sum(axis=0)
        go_on = others[last + 1 : -1].mean() / max(1, others[:last].mean())
        expected = n_missing * self._pulses[index, last - 1, 0] * min(1.0, go_on)
        if expected >= MIN_EXPECTED:
            findings.add(
                "T9",
                f"{self._threads[index]} has written nothing behind chunk {last}, the run has "
                f"{n_missing + 1} more, and about {expected:.0f} pulses were to be expected",
                severity=DEGRADED,
                lost_ns=n_missing * sum(self._durations),
                lost_records=round(expected * per_pulse),
                chunk=last + 1,
            )

    def _note_empty_parts(self, index: int, findings: Findings) -> None:
        (chunks,) = np.nonzero(self._written[index] & ~self._has_data[index])
        if len(chunks):
            shown = ", ".join(str(chunk) for chunk in chunks[:5])
            findings.add(
                "T13",
                f"{self._threads[index]} has no data in {len(chunks)} main parts (chunk {shown}"
                f"{', ...' if len(chunks) > 5 else ''}): if it had any in the overlaps behind "
                "them, redax did not write them",
                severity=NOTE,
                lost_ns=None,
                lost_records=None,
            )
