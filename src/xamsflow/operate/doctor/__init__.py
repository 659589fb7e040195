"""Check everything that processing needs, without writing anything.

::

    check           the result of a check
    this_host       software, folders, disk space, detector file, notifications
    daq             the DAQ host and other sources: ssh, host key, rsync, folder, clock
    run_database    the run database: connection, permissions, clock
    batch_system    the commands of a profile's batch system
"""

from collections.abc import Iterator
from pathlib import Path

from xamsflow.operate.doctor import batch_system, daq, run_database, this_host
from xamsflow.operate.doctor.check import Health, Result
from xamsflow.settings.config import Config

__all__ = ["Health", "Result", "examine"]


def examine(config: Config, profile: Path | None) -> Iterator[Result]:
    """Yield the result of each check as soon as it is known; `profile` None: no batch system."""
    yield from this_host.software()
    yield from this_host.folders(config)
    yield from this_host.detector_file(config)
    yield from this_host.compiled()
    yield from this_host.notifications(config)
    yield from this_host.watch()
    yield from daq.examine(config.daq)
    yield from daq.copies(config.sources)
    yield from run_database.examine(config.rundb, config.watch.switch)
    if profile is not None:
        yield from batch_system.examine(profile)
