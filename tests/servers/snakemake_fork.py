"""Become Snakemake, in a fork of `snakemake_server`."""

import os
import sys

from snakemake.cli import main

from xamsflow.base import fork_client

del os.environ[fork_client.VARIABLE]  # the driver starts a server for its jobs
sys.exit(main())
