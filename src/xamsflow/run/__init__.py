"""A run on its way through the workflow: claimed, worked on, published.

::

    start      the command line that starts Snakemake
    preview    what a dry run shows
    driver     the process that a person starts, which answers for the runs it claims
    following  a run that is processed while it is taken
    progress   how far a job is
    publish    what the run document says of a finished run
    failures   why a job failed
    policy     what follows a failure
    journal    outcomes kept while the run database is away
    notify     who is told
"""
