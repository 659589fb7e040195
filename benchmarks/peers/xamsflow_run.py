"""Process one run with this project, as the rule ``process`` does.

``python xamsflow_run.py DOCUMENT LIVE_DATA OUTPUT DATA_TYPE DETECTOR THREADS [forked]``

With ``forked``, in a fork of a process that has loaded everything, as the workflow does. The
program then prints how long the fork takes (s) and its peak memory (MB).
"""

import json
import os
import sys
import time
from pathlib import Path

from xamsflow.base import memory

with memory.loading():
    from xamsflow.data.processing import process_run
    from xamsflow.redax import rundoc
    from xamsflow.settings import detector


def main() -> int:
    """Process the run; return the exit code."""
    document, live_data, output, data_type, name, threads, *how = sys.argv[1:]

    def process() -> None:
        process_run(
            document=rundoc.from_json(json.loads(Path(document).read_text())),
            detector=detector.load(name),
            live_data=Path(live_data),
            processed=Path(output),
            data_type=data_type,
            threads=int(threads),
        )

    if how != ["forked"]:
        process()
        return 0
    from xamsflow.simulate import warm_up  # noqa: PLC0415

    warm_up.process_simulated_run(detector.load(name), data_type, duration_s=0.2)
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        process()
        sys.stdout.flush()
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    print(time.perf_counter() - start, used.ru_maxrss / 1024)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
