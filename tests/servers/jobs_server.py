"""Let `forks` fork a driver's server of jobs: ``jobs_server.py SOCKET NAME PROGRAM …``.

This process stands for the fork, as the client of any script does: each ends with the other.
"""

import os
import sys
from pathlib import Path

from xamsflow.base import fork_client, fork_server

descriptor, name, *program = sys.argv[1:]
os.environ[fork_client.VARIABLE] = name
os.dup2(int(descriptor), sys.stdout.fileno())  # only standard streams get to the fork
script = Path(__file__).with_name("jobs_fork.py")
command = [*fork_server.command(script), *program]
os.execv(command[0], command)
