"""Transfer a run's live data completely and unchanged.

::

    run      the transfer of one run: list, copy, compare, move into place
    nearest  the places that may have a run, nearest first
    source   lists a run's folder, on another host or here
    rsync    copies and compares
    newest   which folders of a growing run have changed
    follow   copies a run again and again while it is being taken
"""

from xamsflow.transfer.follow import Following
from xamsflow.transfer.nearest import Search, parent_on_daq
from xamsflow.transfer.run import IN_PLACE, transfer_run

__all__ = ["IN_PLACE", "Following", "Search", "parent_on_daq", "transfer_run"]
