"""Become ``xamsflow``, in a fork of `forks`."""

import os
import sys

from xamsflow import cli
from xamsflow.base import fork_client

del os.environ[fork_client.VARIABLE]
sys.exit(cli.main())
