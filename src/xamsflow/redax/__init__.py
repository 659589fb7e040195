"""What the DAQ, redax, writes: run documents and live data, read strictly.

redax writes no checksums, lengths or indices, and files that were cut or mixed up often decode
without complaint. So everything that its format promises is checked here, while the data are read.
A different DAQ would need a different room here, and nothing else.

::

    rundoc        the run document
    identity      which run a receipt or a folder is of
    files         one file: its framing, and the records in it
    folder        which files a run has, and which are missing
    listing       names, sizes and times of a run's files
    ending        whether redax has finished writing a run
    growing       the chunks of a run that is being taken, as redax completes them
    records       whether the records of a file are what digitizers give
    pulses        whether the pulses of a run are complete, channel by channel
    rates         whether there are as many pulses as there should be
    plausibility  what the run document says against what is on disk
    reader        a run's parts, one after the other, with all of these checks
    findings      what is found, and how serious it is
    verification  all of it without storing anything
"""
