"""Draw the picture of a run."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

run_id, output, log = sys.argv[1:]
jobs.overview(run_id=run_id, output=output, log=log)
