"""Which runs the driver would process now: one answer for the driver and everybody else."""

from xamsflow.run import journal
from xamsflow.rundb import ClaimedRun, PendingRun, RunDatabase
from xamsflow.rundb.runs import turn
from xamsflow.settings.config import Select
from xamsflow.state import owner


def to_take(database: RunDatabase, select: Select) -> list[ClaimedRun | PendingRun]:
    """Return the runs that wait and those left by a dead driver: newest first, campaigns last."""
    runs: list[ClaimedRun | PendingRun] = [*stranded(database, select), *database.pending(select)]
    return sorted(runs, key=turn)


def stranded(database: RunDatabase, select: Select | None = None) -> list[ClaimedRun]:
    """Return the runs whose driver died, among all runs or those that `select` covers."""
    return [run for run in database.claimed(select) if is_stranded(run)]


def is_stranded(run: ClaimedRun) -> bool:
    """Return whether a claimed run's driver died and left no outcome for the run."""
    return has_died(run) and not journal.keeps(run.number, run.owner)


def has_died(run: ClaimedRun) -> bool:
    """Return whether a claimed run's driver died."""
    return owner.is_dead(run.owner, run.heartbeat_age_s)
