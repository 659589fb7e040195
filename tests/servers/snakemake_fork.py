"""Become Snakemake, in a fork of `forks`."""

import atexit
import os
import threading
from functools import partial
from pathlib import Path

from snakemake.cli import main

from xamsflow.base import fork_client, fork_server

JOBS_SERVER = Path(__file__).with_name("jobs_server.py")

# The driver starts a server for its jobs, and that is a fork, too.
name = os.environ.pop(fork_client.VARIABLE)
fork_server.start = partial(fork_server.start, JOBS_SERVER, name)
try:
    main()  # it ends with SystemExit
finally:
    # A fork leaves out the usual end of Python, at which the driver releases its runs.
    threading._shutdown()
    atexit._run_exitfuncs()
