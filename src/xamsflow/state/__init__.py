"""What the workflow keeps on disk, and where each file lies.

::

    layout          the path of every file, and how a run is named
    receipts        small JSON files that record what was done
    quantities      the file with the quantities of a run
    quantity_table  the quantities of all runs, read fast
    health          the file with the verdict on these quantities
    lineages        which of a run's stored lineages analysts get
    compared        the receipt of a comparison of two lineages of a run
    live            the file that says how a run is doing while it is being taken
    claims          the file that tells the jobs of a run which driver claimed it
    campaigns       the file of a campaign: its runs, and whether it is running
    owner           who owns a claim, and whether that process still runs
    watching        the sign of life of xamsflow watch
    lock            one job at a time for each run
    run_numbers     run numbers and ranges as people write them
    strax_folder    a stored data type, checked without strax
"""
