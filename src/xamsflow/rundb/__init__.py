"""The run database: which runs to process, and their status. Does not load strax.

::

    connection    opens the database: address, tunnel, credentials
    tunnel        the way through an ssh host
    credentials   user and password
    database      queries and changes, one method for each
    claiming      claims many runs with few requests
    campaign_changes  requests for many runs that can be taken back
    changes       one change of status, as a filter and an update for MongoDB
    status        what `processing_status` means, and how it may change
    selection     the conditions that a run must meet to be processed
    run_document  the fields of a run document, whichever tool wrote them
    registered    which tool registered data in a run document
    runs          a run as a value: pending, claimed, or in a table
    run_rows      a row for each of many runs, fast
    identity      which run a receipt or a folder belongs to
    mongo_errors  what pymongo's errors mean for a person
"""

from xamsflow.rundb.connection import Connection, open_database
from xamsflow.rundb.database import RunDatabase
from xamsflow.rundb.runs import ClaimedRun, PendingRun, RunSummary
from xamsflow.rundb.status import Status, StatusView, understand
from xamsflow.state.claims import Claim

__all__ = [
    "Claim",
    "ClaimedRun",
    "Connection",
    "PendingRun",
    "RunDatabase",
    "RunSummary",
    "Status",
    "StatusView",
    "open_database",
    "understand",
]
