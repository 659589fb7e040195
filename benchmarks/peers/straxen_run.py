"""Make raw records of one run of XAMS with straxen's reader, in plain strax.

``python straxen_run.py DOCUMENT LIVE_DATA OUTPUT``
"""

import json
import sys
from pathlib import Path

import strax
from immutabledict import immutabledict

from xamsflow.data.context import run_config
from xamsflow.data.plugins.straxen_reader import DAQReader
from xamsflow.redax import rundoc
from xamsflow.state import layout

NAMES = ("raw_records_v1730", "raw_records_aqmon")

document, live_data, output = sys.argv[1:]
run = rundoc.parse(rundoc.from_json(json.loads(Path(document).read_text())))
run_id = layout.run_id(run.number)
options = run_config(run, Path(live_data) / run_id)
options["channel_map"] = immutabledict(v1730=(0, 7), aqmon=(799, 799))
options["run_start_time"] = run.start // rundoc.NS_PER_S
del options["run_end_time"]


class Reader(DAQReader):
    """straxen's reader for the digitizer of XAMS."""

    provides = NAMES
    data_kind = immutabledict(zip(NAMES, NAMES, strict=True))
    rechunk_on_save = immutabledict.fromkeys(NAMES, False)

    def dtype_for(self, data_type):
        """Return the type of records, for all of straxen's names."""
        return super().dtype_for(NAMES[0] if data_type == "raw_records" else data_type)


context = strax.Context(
    storage=strax.DataDirectory(output),
    register=[Reader],
    config=options,
    allow_multiprocess=False,
)
context.make(run_id, NAMES[0], save=NAMES, processor="single_thread", progress_bar=False)
