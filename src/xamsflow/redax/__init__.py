"""What the DAQ, redax, writes: run documents and live data, read strictly.

redax writes no checksums, lengths or indices, and files that were truncated or mixed up often
decode without complaint. The reader therefore checks everything that the format promises. A
different DAQ needs a different room here, and nothing else.

::

    rundoc           the run document as the DAQ writes it
    registers        the registers of the digitizers that affect the data
    listing          names, sizes and times of a run's files
    folder           which files a run has, and which are missing
    files            one file: its framing, and the records in it
    ending           whether redax has finished writing a run
    growing          the chunks of a run that is being taken, as redax completes them
    records          whether the records of a file are possible
    pulses           whether the pulses of a run are complete, channel by channel
    counts           how many signals each thread wrote into each part of each chunk
    missing_signals  parts with too few signals: overwritten or emptied
    buffering        which overlaps redax writes after an empty main part
    dropped          what redax itself dropped, estimated
    plausibility     the run document against what is on disk
    reader           a run's parts, one after the other, with all of these checks
    findings         what can be found, and how serious it is
    verification     all of it without storing anything
"""
