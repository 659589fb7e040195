"""Reading live data, strictly.

redax writes no checksums, lengths or indices, and files that were cut or mixed up often decode
without complaint. So everything that its format promises is checked here, while the data are read.

::

    files         one file: its framing, and the records in it
    folder        which files a run has, and which are missing
    growing       the chunks of a run that is being taken, as they are completed
    records       whether the records of a file are what digitizers give
    pulses        whether the pulses of a run are complete, channel by channel
    rates         whether there are as many pulses as there should be
    run_document  what it says against what is on disk
    reader        a run's parts, one after the other, with all of these checks

What is found is added to the run's :class:`xamsflow.findings.Findings`.
"""

from xamsflow.live_data.files import Records
from xamsflow.live_data.growing import Growing
from xamsflow.live_data.reader import Format, Reader, Window
from xamsflow.live_data.records import Channels, channel_map

__all__ = ["Channels", "Format", "Growing", "Reader", "Records", "Window", "channel_map"]
