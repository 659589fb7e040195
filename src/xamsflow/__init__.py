"""From XAMS and XAMSL live data to strax data, run by run."""

__version__ = "0.1.0"
