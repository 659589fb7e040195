"""The result of a check: a value in one line and, if something is wrong, what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xamsflow.base import amounts, clock
from xamsflow.base.errors import XamsflowError

CLOCK_OFF_S = 2.0
"""If clocks differ by more than this, ages in tables are wrong."""


class Health(StrEnum):
    """The severity of a result; a problem prevents runs from being processed."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Result:
    """The result of the check `name`; `remedy` is empty if all is well."""

    name: str
    verdict: Health
    value: str
    remedy: str = ""


def ok(name: str, value: str) -> Result:
    """Report that all is well."""
    return Result(name, Health.OK, value)


def warning(name: str, value: str, remedy: str) -> Result:
    """Report something that should be investigated."""
    return Result(name, Health.WARNING, value, remedy)


def problem(name: str, value: str, remedy: str) -> Result:
    """Report something that must be fixed."""
    return Result(name, Health.PROBLEM, value, remedy)


@contextmanager
def errors_are_problems(name: str) -> Iterator[list[Result]]:
    """Yield a list for results; an error raised in the block is added to it as a problem."""
    found: list[Result] = []
    try:
        yield found
    except XamsflowError as error:
        found.append(problem(name, " ".join(error.what.split()), " ".join(error.remedy.split())))


def clock_of(name: str, ask: Callable[[], datetime]) -> Result:
    """Compare a clock with this host's; `ask` returns its time and may take a while."""
    ahead = clock.ahead_s(ask)
    off = abs(ahead)
    if off <= CLOCK_OFF_S:
        return ok(name, f"agrees with this host's within {CLOCK_OFF_S:g} s")
    which = "behind" if ahead < 0 else "ahead of"
    value = f"{amounts.duration(off)} {which} this host's"
    return (problem if off > clock.WRONG_S else warning)(name, value, clock.SYNCHRONIZE)
