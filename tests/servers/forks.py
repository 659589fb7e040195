"""Our two programs in forks of a process that has imported what they need.

Importing takes most of the time of a short run, and of most verbs. Each program is a process of its
own, which reads the command line and the settings as always. A driver's server of jobs is a fork as
well, of the same process, which then has also imported strax and loaded what numba has compiled; it
loads what it needs and starts jobs as always.

A signal to the process that stands for a program reaches the program, but not its children: they
belong to another process group.
"""

import functools
import importlib
import os
import shlex
import sys
from pathlib import Path

from xamsflow.base import fork_client, fork_server

PROGRAMS = ("snakemake", "xamsflow")


def command(program: str) -> list[str]:
    """Return what stands for a program in a command, with :func:`environment`."""
    return fork_server.command(Path(__file__).with_name(f"{program}_fork.py"))


@functools.cache
def environment() -> dict[str, str]:
    """Start the server, which ends with this process; return how commands find it."""
    fork_server.start(Path(__file__), log=Path(os.devnull))
    return {fork_client.VARIABLE: os.environ.pop(fork_client.VARIABLE)}


def put_programs(folder: Path) -> None:
    """Make the programs' namesakes in a folder, for shells that have it on their PATH."""
    folder.mkdir()
    for program in PROGRAMS:
        file = folder / program
        file.write_text(f'#!/bin/sh\nexec {shlex.join(command(program))} "$@"\n')
        file.chmod(0o755)


def load(script: str) -> None:
    match script:
        case "snakemake_fork":
            import smart_open  # noqa: F401, PLC0415
            from snakemake import cli as snakemake_cli  # noqa: PLC0415

            import xamsflow.run.driver  # noqa: F401, PLC0415

            snakemake_cli.get_argument_parser()
        case "xamsflow_fork":
            from xamsflow import cli  # noqa: PLC0415

            for verb in ("command", *cli.VERBS):
                importlib.import_module(f"xamsflow.cli.{verb}")
        case "jobs_fork":
            from xamsflow.settings import detector  # noqa: PLC0415
            from xamsflow.simulate import warm_up  # noqa: PLC0415

            warm_up.process_simulated_run(detector.load("xamsl"), "event_info", duration_s=0.2)


if __name__ == "__main__":
    os.setsid()  # it has no terminal, as Site.start() gives none
    # Libraries must not start threads here: a fork would not have them.
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    fork_server.serve(int(sys.argv[1]), load)
