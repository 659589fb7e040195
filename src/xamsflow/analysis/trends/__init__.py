"""The trends page, `results/trends.html`: the quantities of all runs against time and each other.

::

    contents  what the page shows, as compact JSON
    render    writes the page

``trends.js`` draws it with uPlot; ``uplot/`` holds uPlot 1.6.32 as published, and its license.
"""

from xamsflow.analysis.trends.render import has_any, make

__all__ = ["has_any", "make"]
