"""Write the page that shows the state of all runs."""

import sys

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402

(log,) = sys.argv[1:]
jobs.page(log=log)
