"""All that is known here about batch systems.

The programs of ``profiles/`` call this package once per job and status check, so it imports only
the standard library, and of that only what is needed, and starts in a few milliseconds.

::

    submit, status, cancel   the programs that Snakemake calls
    job_end       why a batch job ended: judged from exit code, logs and the batch system
    submissions   the files by which programs, jobs and driver know of each other
    poll          one query for all jobs
    request       what a job asks for, read from its job script
    queues        which queue may hold it
    systems       what every batch system can do, and which there are
    pbs, slurm, htcondor   how each does it
    here          which commands this host must have
    commands      the one way to run a batch system's commands
"""
