"""From live data to events: everything that uses strax.

::

    context     which plugins make a detector's data types
    plugins     one module per group of data types
    processing  one run, up to the data type that is asked for
    storage     where strax data lie, and whether they are whole
    lineage     what a stored data type was made with
    stored      stored data types, read without strax
    strax_private  all private names of strax that are used
    ahead       the next chunk is read while the last one is processed
"""
