"""Bring a run's live data from the DAQ host, whole and unchanged.

::

    run     the transfer of one run: look, copy, compare, put into place
    source  what lies in a folder, on the DAQ host or here
    rsync   copies and compares
    newest  which folders of a growing run have changed
    follow  copies a run again and again while it is being taken
"""

from xamsflow.transfer.follow import Following
from xamsflow.transfer.run import IN_PLACE, parent_on_daq, transfer_run

__all__ = ["IN_PLACE", "Following", "parent_on_daq", "transfer_run"]
