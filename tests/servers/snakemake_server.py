"""Snakemake in forks of a process that has imported it and its plugins.

That takes most of the time of a short run. Each run is a process of its own, which reads the
command line, the profile and the Snakefile as always. The server of its jobs is a fork as well,
of the same process, which then has also imported strax and loaded what numba has compiled; it
loads what it needs and starts jobs as always.
"""

import functools
import os
import sys
from pathlib import Path

from xamsflow.base import fork_client, fork_server

SCRIPT = Path(__file__).with_name("snakemake_fork.py")


def command() -> list[str]:
    """Return what stands for ``snakemake`` in a command, with :func:`environment`."""
    return fork_server.command(SCRIPT)


@functools.cache
def environment() -> dict[str, str]:
    """Start the server, which ends with this process; return how commands find it."""
    fork_server.start(Path(__file__), log=Path(os.devnull))
    return {fork_client.VARIABLE: os.environ.pop(fork_client.VARIABLE)}


def load(script: str) -> None:
    if script != SCRIPT.stem:
        from xamsflow.settings import detector  # noqa: PLC0415
        from xamsflow.simulate import warm_up  # noqa: PLC0415

        warm_up.process_simulated_run(detector.load("xamsl"), "event_info", duration_s=0.2)
        return
    import smart_open  # noqa: F401, PLC0415
    from snakemake import cli  # noqa: PLC0415

    import xamsflow.run.driver  # noqa: F401, PLC0415

    cli.get_argument_parser()


if __name__ == "__main__":
    os.setsid()  # it has no terminal, as Site.start() gives none
    # Libraries must not start threads here: a fork would not have them.
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    fork_server.serve(int(sys.argv[1]), load)
