"""Write the page that shows how things are."""

import sys

from xamsflow import jobs

(log,) = sys.argv[1:]
jobs.page(log=log)
