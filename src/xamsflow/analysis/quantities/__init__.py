"""The quantities of runs: numbers and short texts that describe the state of the detector.

::

    definition  what a quantity is: a decorated function
    run_data    the argument of such a function: the facts and the stored data of one run
    estimators  values with errors, from counts, areas and times
    shipped     the quantities of every site
    own         the quantities of this site, in a separate process
    make        measures all quantities of a run and writes their file
    backfill    measures missing quantities, and judges the runs
    table       the quantities of many runs, as a table
"""
