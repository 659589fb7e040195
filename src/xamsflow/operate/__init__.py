"""What people do: request, plan, watch, diagnose and repair.

::

    actions     what a person can do to runs: pend, hold, retry and so on
    retransfer  sets a copy aside, so that the run is transferred again
    lineages    puts the new lineage of runs in force once they were compared
    campaigns   what a person can do with many runs as one piece of work
    forecast    what making runs again takes
    plan        what the workflow would do, run by run
    watcher     endless mode
    places      hosts and systems that do not answer
    doctor      what keeps runs from being processed
    reconcile   where run documents, receipts and data disagree
"""
