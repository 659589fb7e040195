"""What can go wrong, by what should happen next.

::

    XamsflowError
    ├── ConfigurationError   a person must change a setting; trying again is useless
    ├── BadDataError         the run itself is damaged or incomplete; trying again is useless
    ├── TransientError       a host, a server or a file is away for now; try again later
    │   └── StillTakenError  the run has not ended yet
    └── ResourcesError       memory, time or disk space ran out; try again with more
"""

from collections.abc import Iterator
from enum import StrEnum


class FailureClass(StrEnum):
    """The class of a failure, as written into the run document's ``processing.failure``."""

    RESOURCES = "resources"
    TRANSIENT = "transient"
    BAD_DATA = "bad_data"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"


class XamsflowError(Exception):
    """An error that a person can act on: what is wrong and where, and what to do about it.

    ``str(error)`` is one line; it goes to the terminal, the log and the run document alike.
    """

    failure = FailureClass.UNKNOWN

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        line = f"{what}: {remedy}" if remedy else what
        super().__init__(" ".join(line.split()))


class ConfigurationError(XamsflowError):
    """A setting, a name on the command line or an access right is wrong."""

    failure = FailureClass.CONFIGURATION


class BadDataError(XamsflowError):
    """The live data or the run document of a run are damaged, incomplete or contradictory."""

    failure = FailureClass.BAD_DATA


class TransientError(XamsflowError):
    """Something outside (DAQ host, run database, file system) is away; later it may be back."""

    failure = FailureClass.TRANSIENT


class StillTakenError(TransientError):
    """The run is still being taken by the DAQ."""


class ResourcesError(XamsflowError):
    """Memory, time or disk space did not suffice."""

    failure = FailureClass.RESOURCES


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it came from, the outermost first."""
    seen = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
