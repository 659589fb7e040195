"""Simulated runs: live data as redax writes them, the run document, and the truth about both.

::

    settings   what to simulate
    boards     the detector's digitizer boards and who reads them
    formatter  which records go into which part of which chunk, by which thread, and when
    live_data  folders and files
    document   the run document

Simple pulses, enough for all that only moves records around::

    pulses     what the detector does: when, which channel, how large
    records    what the digitizers see of it: records with samples

Physics, to compare what is reconstructed with what was there::

    physics      rates, sizes and shapes
    sensors      what each channel sees
    signals      S1, S2 and all else, with every photoelectron
    waveforms    what a channel's digitizer makes of photoelectrons
    physics_run  the way from signals to records
    truth_file   the signals beside the run

`simulate` writes a run that has ended, `LiveRun` one that is being taken.
`truth` returns all unique records that a run has on disk, to compare with what a reader stores,
`read_out` all that redax received; `load_signals` returns the signals of a run with physics.
"""

from xamsflow.simulate.formatter import read_out, truth
from xamsflow.simulate.live_data import LiveRun, WrittenFile, simulate
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.signals import Signal
from xamsflow.simulate.truth_file import load_signals, truth_path
from xamsflow.simulate.xenon import Physics

__all__ = [
    "LiveRun",
    "Physics",
    "Signal",
    "SimulatedRun",
    "WrittenFile",
    "load_signals",
    "read_out",
    "simulate",
    "truth",
    "truth_path",
]
