"""What every batch system can do, and which there are."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from xamsflow.base.errors import FailureClass
from xamsflow.batch.commands import Answer, CommandMissingError, CommandTimeoutError, run
from xamsflow.batch.request import Request


class Unreachable(Exception):  # noqa: N818 - named after what is the case
    """The batch system did not answer; nothing is known of any job."""


class NotHere(Unreachable):
    """This host does not have the batch system's commands."""


class QueueRefused(Exception):  # noqa: N818
    """This queue does not exist or may not hold the job; another may."""


class QueueClosed(QueueRefused):
    """This queue takes no jobs at all for now, as during maintenance; another may."""


class LimitReached(Exception):  # noqa: N818
    """No more jobs are taken until others have ended."""


class Rejected(Exception):  # noqa: N818
    """The job will never be taken as it is."""


class End(NamedTuple):
    """How a batch job ended, as far as the batch system says.

    `failure` is None for a job that ended well.
    """

    reason: str
    failure: FailureClass | None


SUCCESS = End("ended well", None)


class Details(NamedTuple):
    """What the batch system knows about one job.

    `known`: it still knows the job; `end` is None for one that has not ended, or of which it does
    not say how it ended.
    """

    known: bool
    ended: bool
    end: End | None


class BatchSystem(Protocol):
    """One kind of batch system; jobs are called by their number (`submissions.number`)."""

    def submit(self, request: Request, queue: str | None, script: Path, log: Path) -> str:
        """Hand in a job script and return the job's full name.

        Raises QueueRefused, QueueClosed, LimitReached, Rejected or Unreachable.
        """

    def alive(self) -> frozenset[str]:
        """Return the user's jobs that wait or run, by one query; raises Unreachable."""

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        """Return what is known of single jobs, by one query where possible.

        A job of which nothing can be said now is left out. Raises Unreachable.
        """

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs; those that have ended already are no error. Raises Unreachable."""


def named(name: str) -> BatchSystem:
    """Return the batch system called by its module: pbs, slurm or htcondor."""
    module = importlib.import_module(f"xamsflow.batch.{name}")
    system: BatchSystem = module.System()
    return system


SIGNALS = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
SIGNALS |= {24: "SIGXCPU", 7: "SIGBUS", 25: "SIGXFSZ"}


def by_signal(number: int) -> End:
    """Return the end by a signal that nobody explained.

    An unexplained SIGKILL is most often the node's memory running out.
    """
    name = SIGNALS.get(number, "signal")
    if number == 9:
        return End(f"killed by signal 9 ({name}), perhaps out of memory", FailureClass.RESOURCES)
    if number in (24, 25):
        return End(f"killed by signal {number} ({name}): over a limit", FailureClass.RESOURCES)
    if number in (1, 2, 15):
        return End(f"killed by signal {number} ({name}): cancelled", FailureClass.TRANSIENT)
    return End(f"killed by signal {number} ({name})", FailureClass.UNKNOWN)


OVER_TIME = End("its wall time ran out", FailureClass.RESOURCES)
OVER_MEMORY = End("its memory ran out", FailureClass.RESOURCES)
CANCELLED = End("cancelled in the batch system", FailureClass.TRANSIENT)
NODE_LOST = End("its node was lost", FailureClass.TRANSIENT)
NOT_STARTED = End("the batch system could not start it", FailureClass.TRANSIENT)
FORGOTTEN = End(
    "the batch system has forgotten it, and it left no exit code: killed, or its node was lost",
    FailureClass.TRANSIENT,
)

WITHOUT_EXIT_CODE = End(
    "the batch system says that it ended well, but it left no exit code: killed, or its node was "
    "lost",
    FailureClass.TRANSIENT,
)


def ask(command: Sequence[str], timeout_s: float, text: str = "") -> Answer:
    """Run a command of the batch system; `text` is its standard input.

    Raises NotHere where there is no such command, Unreachable where it does not answer in time.
    """
    try:
        return run(command, timeout_s=timeout_s, text=text)
    except CommandMissingError as error:
        raise NotHere(str(error)) from error
    except CommandTimeoutError as error:
        raise Unreachable(str(error)) from error
