"""What analysts call: from a question to a table or a picture.

::

    site        a site as analysts see it: runs, load, context
    runs        the table of runs, and the selection from it
    quantities  the quantities of runs: definitions, measurement and tables
    display     the event display
    event_page  events of a run on one page
    comparison  what changed between two lineages of runs
    good_runs   which runs meet the criteria in a file
    health      whether a run looks like earlier ones
    one_event   everything stored about one event
    trends      the trends page: quantities of all runs
    gains       from an LED run to gains
    live        a run during data taking
    lifetime    from runs to an electron lifetime
"""
