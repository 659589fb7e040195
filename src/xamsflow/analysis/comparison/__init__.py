"""What changed between two lineages of runs.

::

    pair      which two lineages of a run are compared
    settings  the options and plugins that differ, in words
    things    lost, gained and matched peaks and events of a run, and how they shift
    summary   the comparison of all runs, and its tables
    pictures  draws it
    report    the page, and the receipts that let people accept the new lineage
"""
