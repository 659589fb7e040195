"""Become Snakemake, in a fork of `snakemake_server`."""

import atexit
import os
import threading

from snakemake.cli import main

from xamsflow.base import fork_client

del os.environ[fork_client.VARIABLE]  # the driver starts a server for its jobs
try:
    main()  # it ends with SystemExit
finally:
    # A fork leaves out the usual end of Python, at which the driver releases its runs.
    threading._shutdown()
    atexit._run_exitfuncs()
