"""What analysts call: from a question to a table or a picture.

::

    site        a site as analysts see it: runs, load, context
    runs        the table of runs, and which of them are meant
    quantities  of runs: what they are, made for each run, and as a table
    display     the event display
    event_page  events of a run on one page
    comparison  what changed between two lineages of runs
    good_runs   which runs may be used, by criteria in a file
    health      whether a run looks like earlier ones
    one_event   all that is stored of one event
    trends      the page of trends: quantities of all runs
    gains       from an LED run to gains
    live        a run while it is being taken
    lifetime    from runs to an electron lifetime
"""
