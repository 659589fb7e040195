"""Simulated runs: live data as redax writes them, the run document, and the truth about both.

::

    settings   what to simulate
    boards     the detector's digitizer boards and who reads them
    pulses     what the detector does: when, which channel, how large
    records    what the digitizers see of it: records with samples
    formatter  which records go into which part of which chunk, by which thread, and when
    live_data  folders and files
    document   the run document

`simulate` writes a run that has ended, `LiveRun` one that is being taken.
`truth` returns all unique records of a run, to compare with what a reader stores.
"""

from xamsflow.simulate.formatter import truth
from xamsflow.simulate.live_data import LiveRun, WrittenFile, simulate
from xamsflow.simulate.settings import SimulatedRun

__all__ = ["LiveRun", "SimulatedRun", "WrittenFile", "simulate", "truth"]
