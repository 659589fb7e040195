"""What analysts call: from a question to a table or a picture.

::

    site        a site as analysts see it: runs, load, context
    runs        the table of runs, and which of them are meant
    display     the event display
    event_page  events of a run on one page
    health      whether a run looks like earlier ones
    one_event   all that is stored of one event
"""
