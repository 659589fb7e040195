"""Bring a run's live data from the DAQ host, whole and unchanged."""

from xamsflow.transfer.follow import Following
from xamsflow.transfer.run import IN_PLACE, transfer_run

__all__ = ["IN_PLACE", "Following", "transfer_run"]
