"""The common interface of all batch systems."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from xamsflow.base.errors import FailureClass
from xamsflow.batch.commands import Answer, CommandMissingError, CommandTimeoutError, run
from xamsflow.batch.request import Request


class Unreachable(Exception):  # noqa: N818 - named after what is the case
    """The batch system did not respond; the state of all jobs is unknown."""


class NotHere(Unreachable):
    """This host does not have the batch system's commands."""


class QueueRefused(Exception):  # noqa: N818
    """This queue does not exist or does not accept the job; another one may."""


class QueueClosed(QueueRefused):
    """This queue currently accepts no jobs, for example during maintenance; another one may."""


class LimitReached(Exception):  # noqa: N818
    """No more jobs are accepted until others have ended."""


class Rejected(Exception):  # noqa: N818
    """The job will never be accepted in this form."""


class End(NamedTuple):
    """How a batch job ended, according to the batch system.

    `failure` is None for a successful job.
    """

    reason: str
    failure: FailureClass | None


SUCCESS = End("succeeded", None)


class Details(NamedTuple):
    """What the batch system knows about one job.

    `known` says whether it still knows the job. `end` is None if the job has not ended, or if the
    batch system does not say how it ended.
    """

    known: bool
    ended: bool
    end: End | None


class BatchSystem(Protocol):
    """A batch system; jobs are identified by number and server (`submissions.JOB_NAME`)."""

    def submit(self, request: Request, queue: str | None, script: Path, log: Path) -> str:
        """Submit a job script and return the job's full name.

        Raises QueueRefused, QueueClosed, LimitReached, Rejected or Unreachable.
        """

    def alive(self) -> frozenset[str]:
        """Return the user's queued or running jobs, with one query; raises Unreachable.

        Their names are as in the list of the server that answers, perhaps cut off.
        """

    def details(self, jobs: Sequence[str]) -> Mapping[str, Details]:
        """Return what is known about individual jobs, with a single query if possible.

        Jobs with unknown state are omitted. Raises Unreachable.
        """

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancel jobs, ignoring those that have already ended. Raises Unreachable."""


def named(name: str) -> BatchSystem:
    """Return a batch system by the name of its module: pbs, slurm or htcondor."""
    module = importlib.import_module(f"xamsflow.batch.{name}")
    system: BatchSystem = module.System()
    return system


SIGNALS = {1: "SIGHUP", 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
SIGNALS |= {24: "SIGXCPU", 7: "SIGBUS", 25: "SIGXFSZ"}


def by_signal(number: int) -> End:
    """Return the end of a job that was killed by a signal for no known reason.

    The most common reason for SIGKILL is that the node ran out of memory.
    """
    name = SIGNALS.get(number, "signal")
    if number == 9:
        return End(f"killed by signal 9 ({name}), perhaps out of memory", FailureClass.RESOURCES)
    if number in (24, 25):
        return End(f"killed by signal {number} ({name}): over a limit", FailureClass.RESOURCES)
    if number in (1, 2, 15):
        return End(f"killed by signal {number} ({name}): canceled", FailureClass.TRANSIENT)
    return End(f"killed by signal {number} ({name})", FailureClass.UNKNOWN)


OVER_TIME = End("its wall time ran out", FailureClass.RESOURCES)
OVER_MEMORY = End("its memory ran out", FailureClass.RESOURCES)
CANCELLED = End("canceled in the batch system", FailureClass.TRANSIENT)
NODE_LOST = End("its node was lost", FailureClass.TRANSIENT)
NOT_STARTED = End("the batch system could not start it", FailureClass.TRANSIENT)
FORGOTTEN = End(
    "the batch system no longer knows it, and it left no exit code: killed, or its node was lost",
    FailureClass.TRANSIENT,
)

WITHOUT_EXIT_CODE = End(
    "the batch system reports success, but it left no exit code: killed, or its node was lost",
    FailureClass.TRANSIENT,
)


def ask(command: Sequence[str], timeout_s: float, text: str = "") -> Answer:
    """Run a command of the batch system; `text` is its standard input.

    Raises NotHere if the command does not exist, Unreachable if it does not respond in time.
    """
    try:
        return run(command, timeout_s=timeout_s, text=text)
    except CommandMissingError as error:
        raise NotHere(str(error)) from error
    except CommandTimeoutError as error:
        raise Unreachable(str(error)) from error
