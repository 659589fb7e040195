"""Measure the quantities of a run."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

run_id, log = sys.argv[1:]
jobs.quantities(run_id=run_id, log=log)
