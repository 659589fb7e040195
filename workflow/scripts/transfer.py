"""Bring a run's live data here."""

import sys

from xamsflow import jobs

run_id, receipt, log = sys.argv[1:]
jobs.transfer(run_id=run_id, receipt=receipt, log=log)
