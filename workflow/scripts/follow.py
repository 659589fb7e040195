"""Copy and process a run while it is being taken."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

run_id, threads, receipt, log = sys.argv[1:]
jobs.follow(run_id=run_id, receipt=receipt, log=log, threads=int(threads))
