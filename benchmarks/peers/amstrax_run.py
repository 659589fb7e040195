"""Process one run with amstrax, as its ``process_run`` does, without a run database.

``python amstrax_run.py DOCUMENT LIVE_DATA OUTPUT TARGET [DATA_TYPE]``

amstrax stores some data types only if they are the target; with DATA_TYPE, that one as well.
"""

import sys
from pathlib import Path

import amstrax
import strax
from bson import json_util

document_path, live_data, output, target, *stored = sys.argv[1:]
document = json_util.loads(Path(document_path).read_text())
run_id = f"{document['number']:06d}"

context = amstrax.contexts.xams(output_folder=output, init_rundb=False)
context.set_config({"live_data_dir": live_data})
amstrax.contexts.context_for_daq_reader(
    context, run_id, "xams", run_doc=document, check_exists=False
)
for data_type in stored:
    context._plugin_class_registry[data_type].save_when = strax.SaveWhen.ALWAYS
for _ in context.get_iter(run_id, target, progress_bar=False):
    pass
