"""Errors, classified by what should happen next.

::

    XamsflowError
    ├── ConfigurationError   a person must change a setting; trying again is useless
    ├── BadDataError         the run itself is damaged or incomplete; trying again is useless
    ├── TransientError       a host, server or file is unavailable for now; try again later
    │   └── StillTakenError  the run has not ended yet
    └── ResourcesError       memory, time or disk space ran out; try again with more
"""

import difflib
from collections.abc import Iterable, Iterator
from enum import StrEnum

from xamsflow.base.printable import printable


class FailureClass(StrEnum):
    """The class of a failure, as written to ``processing.failure`` in the run document."""

    RESOURCES = "resources"
    TRANSIENT = "transient"
    BAD_DATA = "bad_data"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"


class XamsflowError(Exception):
    """An error that a person can act on: it says what is wrong, where, and what to do about it.

    ``str(error)`` is one line for the terminal, the log and the run document.
    """

    failure = FailureClass.UNKNOWN

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        line = f"{what}: {remedy}" if remedy else what
        super().__init__(printable(" ".join(line.split())))


class ConfigurationError(XamsflowError):
    """A setting, a name on the command line or an access right is wrong."""

    failure = FailureClass.CONFIGURATION


class BadDataError(XamsflowError):
    """A run's live data or run document are damaged, incomplete or contradictory."""

    failure = FailureClass.BAD_DATA


class TransientError(XamsflowError):
    """Something outside (DAQ host, run database, file system) is temporarily unavailable."""

    failure = FailureClass.TRANSIENT


class StillTakenError(TransientError):
    """The DAQ is still taking the run."""


class ResourcesError(XamsflowError):
    """There was not enough memory, time or disk space."""

    failure = FailureClass.RESOURCES


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and the exceptions that caused it, the outermost first."""
    seen = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question with the closest `known` word, empty if no word is close."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
