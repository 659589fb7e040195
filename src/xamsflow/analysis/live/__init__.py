"""A run while it is being taken: its picture, an event, and what is odd about it.

::

    feed           from the job that follows the run to the process that shows it
    so_far         what is known of the run so far
    odd            whether the newest minutes look like earlier runs
    event_picture  the display of an event
    show           the process that shows it: reads what arrives, writes pictures and the page
"""
