"""Become a driver's server of jobs, in a fork of `forks`: ``jobs_fork.py PROGRAM …``."""

import os
import runpy
import sys

from xamsflow.base import fork_client

# Give the program its socket and its streams as `fork_server.start` does.
descriptor = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
program, *arguments = sys.argv[1:]
sys.argv = [program, str(descriptor), *arguments]
del os.environ[fork_client.VARIABLE]
runpy.run_path(program, run_name="__main__")
