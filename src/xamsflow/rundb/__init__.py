"""The run database: which runs are wanted, and how far each is. Loads no strax."""

from xamsflow.rundb.connection import open_database
from xamsflow.rundb.database import RunDatabase
from xamsflow.rundb.runs import ClaimedRun, PendingRun, RunSummary
from xamsflow.rundb.status import Status, StatusView, understand
from xamsflow.state.claims import Claim

__all__ = [
    "Claim",
    "ClaimedRun",
    "PendingRun",
    "RunDatabase",
    "RunSummary",
    "Status",
    "StatusView",
    "open_database",
    "understand",
]
