"""From XAMS and XAMSL live data to strax data, run by run.

Each folder is a room, and imports only rooms listed below it. The driver (`run`) claims a run in
the run database (`rundb`); its jobs copy the live data that the DAQ wrote (`transfer`), process
them (`data`) and publish the outcome (`run` again).

::

    cli       the command `xamsflow`, a module for each verb
    jobs      the jobs of the workflow, one function for each rule
    simulate  runs as redax writes them, with their truth; demo and tests
    operate   what people do: plan, watch, request, diagnose, reconcile
    views     what people see: tables, pictures and pages
    run       a run's way through the workflow: the driver, failures, publishing
    data      from live data to events: everything that uses strax
    transfer  copying a run's live data from the DAQ host
    batch     TORQUE, HTCondor and Slurm
    rundb     the run database: which runs are wanted, and how far each one is
    redax     what the DAQ writes, and what can be wrong with it
    remote    ssh connections to other hosts
    settings  what a site chooses: configuration, detector, corrections
    state     what the workflow keeps on disk: receipts, claims, locks
    base      what every room may use: errors, time, amounts, memory
"""

__version__ = "0.1.0"
