"""straxen's reader of live data, without the rest of straxen.

Importing the package ``straxen`` loads bokeh, matplotlib and all of XENON's plugins, which takes
each job seconds, several times as long as processing a short run. The module with the reader needs
only strax and numba, so it is loaded alone, under its usual name; code that imports straxen later
gets the same module.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from xamsflow.base.errors import ConfigurationError

NAME = "straxen.plugins.raw_records.daqreader"


def _load() -> ModuleType:
    if NAME in sys.modules:
        return sys.modules[NAME]
    straxen = importlib.util.find_spec("straxen")
    if straxen is None or straxen.origin is None:
        raise ConfigurationError("straxen is not installed", "run make install")
    file = Path(straxen.origin).parent.joinpath(*NAME.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(NAME, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} of straxen cannot be loaded", "run make install")
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


DAQReader = _load().DAQReader
