"""Write the page with the trends of the quantities of runs."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

(log,) = sys.argv[1:]
jobs.trends(log=log)
