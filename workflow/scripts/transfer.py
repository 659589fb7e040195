"""Bring a run's live data here."""

import signal
import sys

# Ctrl-C while modules are loaded needs no traceback; later it is dealt with.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from xamsflow import jobs  # noqa: E402

run_id, receipt, log = sys.argv[1:]
jobs.transfer(run_id=run_id, receipt=receipt, log=log)
