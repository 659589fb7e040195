"""Bring a run's live data from the DAQ host, whole and unchanged."""

from xamsflow.transfer.run import transfer_run

__all__ = ["transfer_run"]
