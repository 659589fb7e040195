"""The quantities of every site.

::

    rates     of events, peaks and lone hits; live fraction
    channels  of each channel of the TPC
    xenon     areas, drift and electron lifetime
"""

import inspect
from functools import cache
from pathlib import Path

from xamsflow.analysis.quantities import definition
from xamsflow.analysis.quantities.definition import OURS, Definition
from xamsflow.analysis.quantities.shipped import channels, rates, xenon

__all__ = ["definitions"]


@cache
def definitions() -> tuple[Definition, ...]:
    """Return the shipped quantities, in the order in which people read them."""
    found: list[Definition] = []
    for module in (rates, xenon, channels):
        code = definition.code_of(Path(inspect.getfile(module)))
        found += definition.of_module(vars(module), OURS, code)
    return tuple(found)
