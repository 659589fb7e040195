"""The quantities of runs: numbers and short texts that say how the detector is doing.

::

    definition  what a quantity is: a decorated function
    run_data    what such a function gets: the facts and the stored data of one run
    estimators  values with errors, from counts, areas and times
    shipped     the quantities of every site
    own         the quantities of this site, in a process of their own
    make        makes the file with all quantities of a run
    backfill    makes what runs lack, and judges them
    table       the quantities of many runs, as a table
"""
