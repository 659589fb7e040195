"""A run during data taking: its picture, an event, and odd quantities.

::

    feed           from the job that follows the run to the process that shows it
    so_far         what is known about the run so far
    odd            whether the newest minutes look like earlier runs
    event_picture  the display of an event
    show           the process that shows it: reads what arrives, writes pictures and the page
"""
