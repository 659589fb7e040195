"""All faults by name, in the order of the table."""

from collections.abc import Callable

from faults.case import Case

Fault = Callable[[Case], None]

FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    """Add a function to the faults, under its name."""
    FAULTS[function.__name__] = function
    return function


# Each module adds its own.
from faults import (  # noqa: E402, F401
    bookkeeping,
    database,
    disks,
    following,
    kills,
    live_data,
    network,
    settings,
)
