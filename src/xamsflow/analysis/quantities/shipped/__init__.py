"""The quantities of every site.

::

    rates     of events, peaks and lone hits; live fraction
    channels  of each channel of the TPC
    xenon     areas, drift and electron lifetime
"""

import hashlib
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType

from xamsflow.analysis.quantities import definition, estimators, run_data
from xamsflow.analysis.quantities.definition import Definition
from xamsflow.analysis.quantities.shipped import channels, rates, xenon
from xamsflow.state.quantities import OURS

__all__ = ["definitions"]


@cache
def definitions() -> tuple[Definition, ...]:
    """Return the shipped quantities, in the order in which people read them."""
    shared = [_code(module) for module in (estimators, run_data, definition)]
    found: list[Definition] = []
    for module in (rates, xenon, channels):
        code = hashlib.sha256("".join([*shared, _code(module)]).encode()).hexdigest()[:12]
        found += definition.of_module(vars(module), OURS, code)
    return tuple(found)


def _code(module: ModuleType) -> str:
    return definition.code_of(Path(inspect.getfile(module)))
