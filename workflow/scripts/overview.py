"""Draw the picture of a run."""

import sys

from xamsflow import jobs

run_id, output, log = sys.argv[1:]
jobs.overview(run_id=run_id, output=output, log=log)
