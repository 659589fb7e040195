"""Import what the jobs of runs need, and run each of their scripts in a fork of this process."""

import sys
from functools import partial

from xamsflow.base import starting

starting.begin()

from xamsflow import jobs  # noqa: E402
from xamsflow.base import fork_server  # noqa: E402

descriptor, runs = map(int, sys.argv[1:])
fork_server.serve(descriptor, partial(jobs.load, runs=runs))
