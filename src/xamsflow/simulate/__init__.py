"""Simulated runs: live data as redax writes them, the run document, and the truth about both.

`simulate` writes a run that has ended, `LiveRun` one that is being taken. `truth` returns all
unique records that a run has on disk, to compare with what a reader stores; `read_out` returns all
records that redax received; `load_signals` returns the signals of a run with physics.

::

    settings         what to simulate
    boards           the digitizer boards, and which reader reads each
    formatter        what redax's threads do: which records go into which part, and when
    live_data        folders and files
    document         the run document
    pulses           simple pulses, for tests that only move records: when, where, how large
    records          what the digitizers make of them
    xenon            physics: rates, sizes and shapes of signals
    sensors          what each light sensor sees
    signals          S1, S2 and all others, photoelectron by photoelectron
    waveforms        what a digitizer makes of photoelectrons
    physics_run      the way from signals to records
    led_light        flashes of an LED, and the charge of single photoelectrons
    led_run          the way from flashes to records
    truth_file       the signals, stored next to the run
    physics          compares what is reconstructed with this truth
    warm_up          compiles strax's functions by processing a short run
    embedded_mongod  a MongoDB server for the demo and the tests
"""

from xamsflow.simulate.formatter import read_out, truth
from xamsflow.simulate.led_light import LedLight
from xamsflow.simulate.live_data import LiveRun, WrittenFile, simulate
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.signals import Signal
from xamsflow.simulate.truth_file import load_signals, truth_path
from xamsflow.simulate.xenon import Physics

__all__ = [
    "LedLight",
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
