"""How much a job requests after it ran out of memory or time: twice as much each time."""

FACTOR = 2
MOST_TIMES = 20
"""Limit on doublings. Counts come from run documents, and a huge one must not cause an overflow."""


def grown(amount: int, times: int = 1) -> int:
    """Return the memory or time to request after the amount was too small this many times."""
    return amount * int(FACTOR ** min(times, MOST_TIMES))
