"""Which runs the driver would take now: one answer, for the driver itself and for all who ask."""

from xamsflow.run import journal
from xamsflow.rundb import ClaimedRun, PendingRun, RunDatabase
from xamsflow.settings.config import Select
from xamsflow.state import owner


def to_take(database: RunDatabase, select: Select) -> list[ClaimedRun | PendingRun]:
    """Return the runs that wait and those that a dead driver left, newest first."""
    runs: list[ClaimedRun | PendingRun] = [*stranded(database, select), *database.pending(select)]
    return sorted(runs, key=lambda run: run.number, reverse=True)


def stranded(database: RunDatabase, select: Select | None = None) -> list[ClaimedRun]:
    """Return the runs whose driver died, of all runs or of those that `select` wants."""
    return [run for run in database.claimed(select) if is_stranded(run)]


def is_stranded(run: ClaimedRun) -> bool:
    """Tell whether a claimed run's driver died and left no outcome of the run."""
    return has_died(run) and not journal.keeps(run.number, run.owner)


def has_died(run: ClaimedRun) -> bool:
    """Tell whether a claimed run's driver died."""
    return owner.is_dead(run.owner, run.heartbeat_age_s)
