"""Copy and process a run while it is being taken."""

import signal
import sys

# No traceback on Ctrl-C while modules are imported; later it is handled.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from xamsflow import jobs  # noqa: E402

run_id, threads, receipt, log = sys.argv[1:]
jobs.follow(run_id=run_id, receipt=receipt, log=log, threads=int(threads))
