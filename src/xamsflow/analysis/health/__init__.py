"""Whether a run looks like earlier runs: usual or odd.

::

    comparison  what is usual for a quantity, and how far a value is from it
    references  the earlier runs with which a run is compared
    verdict     the verdict on a run, from its quantities and the reference runs
    judging     creates, stores and publishes verdicts, and people's notes on them
"""
