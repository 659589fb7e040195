"""Everything that xamsflow knows about batch systems.

The programs of ``profiles/`` call this package once per job and status check, so it imports only
the standard library, and of that only what is needed, and starts in a few milliseconds.

::

    submit, status, cancel   the programs that Snakemake calls
    job_end       why a batch job ended: judged from exit code, logs and the batch system
    submissions   the files through which programs, jobs and driver communicate
    poll          one query for all jobs
    request       what a job requests, read from its job script
    queues        which queue accepts it
    systems       the common interface of all batch systems
    pbs, slurm, htcondor   its implementations
    here          which commands this host must have
    commands      the one way to run a batch system's commands
"""
