"""Which overlaps redax writes although their chunk has no data in the main part.

A thread of redax holds main parts and overlaps apart. After each packet from a digitizer it takes
the mean chunk of all that it holds in chunks with a main part. If that is more than
``strax_buffer_num_chunks`` beyond the first of these chunks, it writes chunk after chunk from that
first one on. An overlap without a main part is written only if such a row of chunks passes it.
Otherwise it is never written, and nothing on disk tells whether there was anything in it.
"""

import math

from xamsflow.redax.counts import MAIN_PART, Counts

MAX_PACKETS = 50
"""Packets per part that are followed one by one; with more, the mean hardly moves from one on."""


def may_write(counts: Counts, thread: int, chunk: int, buffered_chunks: int) -> bool:
    """Tell whether redax may have written a thread's overlap after an empty main part.

    How signals were grouped to packets is not known: one by one, in pairs, or each part at once.
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
