"""Copy a run's live data from the DAQ host."""

import signal
import sys

# No traceback on Ctrl-C while modules are imported; later it is handled.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from xamsflow import jobs  # noqa: E402

run_id, receipt, log = sys.argv[1:]
jobs.transfer(run_id=run_id, receipt=receipt, log=log)
