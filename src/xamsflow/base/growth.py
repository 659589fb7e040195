"""How much a job asks for that had too little before: twice as much, each time."""

FACTOR = 2
MOST_TIMES = 20
"""Counts come from run documents: no number is too large to be asked for."""


def grown(amount: int, times: int = 1) -> int:
    """Return the memory or time to ask for when the amount was too little so many times."""
    return amount * int(FACTOR ** min(times, MOST_TIMES))
