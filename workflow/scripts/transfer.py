"""Copy a run's live data from the DAQ host."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

run_id, receipt, log = sys.argv[1:]
jobs.transfer(run_id=run_id, receipt=receipt, log=log)
