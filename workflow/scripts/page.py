"""Write the page that shows the state of all runs."""

import sys

from xamsflow import jobs

(log,) = sys.argv[1:]
jobs.page(log=log)
