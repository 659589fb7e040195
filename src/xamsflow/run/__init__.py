"""A run on its way through the workflow: claimed, processed, published.

::

    start         the command line that starts Snakemake
    preview       the jobs that a dry run finds
    selecting     which runs the driver would process now
    requests      the files that a person requests from Snakemake
    driver        the process that a person starts, responsible for the runs it claims
    claimed_runs  the runs that a driver has claimed
    packing       which short runs share a batch job
    overhead      the time of a driver that is not spent in jobs
    heartbeat     the driver's signs of life
    watchdog      ends a driver that hangs
    interrupt     Ctrl-C
    following     processing a run while it is being taken
    progress      the progress of a job, in its log and in the run document
    publish       what the run document says about a finished run
    run_metadata  what strax knows about a run, stored next to its data
    outcomes      writes a driver's outcomes to the run document, or keeps them
    journal       outcomes kept on disk while the run database is unreachable
    failures      why a job failed
    policy        what follows a failure: whether and when to try again
    notify        messages to people
    say           messages of the driver to the terminal
"""
