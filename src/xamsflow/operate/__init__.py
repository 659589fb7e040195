"""What people do: request, plan, watch, diagnose and repair.

::

    actions     what a person can do to runs: pend, hold, retry and so on
    retransfer  sets a copy aside, so that the run is transferred again
    lineages    switches to the new lineage of runs once they have been compared
    campaigns   what a person can do with many runs at once
    forecast    the cost of reprocessing runs
    plan        what the workflow would do, run by run
    watcher     processes runs continuously, as they end
    places      hosts and systems that do not respond
    doctor      what keeps runs from being processed
    reconcile   where run documents, receipts and data disagree
"""
