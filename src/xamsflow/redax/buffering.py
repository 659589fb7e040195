"""Prediction of which overlaps redax writes although their chunk's main part has no data.

A redax thread keeps main parts and overlaps separately. After each packet from a digitizer, it
computes the mean chunk of all buffered data in chunks with a main part. If the mean is more than
``strax_buffer_num_chunks`` beyond the first of these chunks, it writes all chunks in between,
starting with the first. An overlap without a main part is written only if it lies within such a
sequence. Otherwise it is never written, and nothing on disk shows whether it contained data.
"""

import math

from xamsflow.redax.counts import MAIN_PART, Counts

MAX_PACKETS = 50
"""Packets per part that are simulated individually; with more, the mean hardly changes."""


def may_write(counts: Counts, thread: int, chunk: int, buffered_chunks: int) -> bool:
    """Return whether redax may have written a thread's overlap after an empty main part.

    As the grouping of signals into packets is unknown, three are tried: individual signals, pairs,
    and all signals of a part together.
    """
    return any(
        chunk in _written_without_main_part(counts, thread, buffered_chunks, signals)
        for signals in (1, 2, 2**62)
    )


def _written_without_main_part(
    counts: Counts, thread: int, buffered_chunks: int, signals_per_packet: int
) -> set[int]:
    written = set()
    held: dict[int, float] = {}
    for chunk in range(counts.n_chunks):
        for part, n_records in enumerate(counts.records[thread, chunk]):
            n_packets = -(-int(counts.signals[thread, chunk, part]) // signals_per_packet)
            n_packets = min(max(1, n_packets), MAX_PACKETS) if n_records else 0
            for _ in range(n_packets):
                if part == MAIN_PART or chunk in held:
                    held[chunk] = held.get(chunk, 0.0) + n_records / n_packets
                if not held:
                    continue
                mean = sum(one * size for one, size in held.items()) / sum(held.values())
                for one in range(min(held), math.ceil(mean - buffered_chunks)):
                    if held.pop(one, None) is None:
                        written.add(one)
    return written
