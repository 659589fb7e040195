"""From live data to events: everything that uses strax.

::

    context        the strax context of a detector, with the plugins of its data types
    plugins        one module for each group of data types
    processing     one run, up to the requested data type
    processor      strax's processor, which copies data for files only once
    ahead          prepares the next item while the current one is used
    tap            shows each chunk to a listener while it is computed
    storage        strax's storage, which never overwrites complete data
    stored         reading stored data, chunk by chunk
    loading        reading stored data of many runs at once
    matching       which rows of two lineages are the same peak or event
    straxen_gains  channels and gains for straxen's mini-analyses
    lineage        the lineage hashes of all data types
    strax_private  strax's private names, all in one place
"""

from xamsflow.base import compiling  # noqa: F401 - before strax compiles anything
