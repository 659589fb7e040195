"""Process one run with amstrax, as its ``process_run`` does, without a run database.

``python amstrax_run.py DOCUMENT LIVE_DATA OUTPUT TARGET``
"""

import sys
from pathlib import Path

import amstrax
from bson import json_util

document_path, live_data, output, target = sys.argv[1:]
document = json_util.loads(Path(document_path).read_text())
run_id = f"{document['number']:06d}"

context = amstrax.contexts.xams(output_folder=output, init_rundb=False)
context.set_config({"live_data_dir": live_data})
amstrax.contexts.context_for_daq_reader(
    context, run_id, "xams", run_doc=document, check_exists=False
)
for _ in context.get_iter(run_id, target, progress_bar=False):
    pass
