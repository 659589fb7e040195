"""Process one run with this project, as the rule ``process`` does.

``python xamsflow_run.py DOCUMENT LIVE_DATA OUTPUT DATA_TYPE DETECTOR THREADS``
"""

import json
import sys
from pathlib import Path

from xamsflow.base import memory

with memory.loading():
    from xamsflow.data.processing import process_run
    from xamsflow.redax import rundoc
    from xamsflow.settings import detector

document, live_data, output, data_type, name, threads = sys.argv[1:]
process_run(
    document=rundoc.from_json(json.loads(Path(document).read_text())),
    detector=detector.load(name),
    live_data=Path(live_data),
    processed=Path(output),
    data_type=data_type,
    threads=int(threads),
)
