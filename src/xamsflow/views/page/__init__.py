"""The page that shows the state of all runs, written from run documents and receipts.

::

    facts    the facts about all runs
    rows     all runs in few bytes
    summary  what stands around the table of runs
    current  the lineages that the current settings give
    details  everything about one run, loaded when it is opened
    kept     what the page said last, so that open pages are told only what has changed
    render   writes the page, what it loads, and the pictures it shows
    beside   draws pictures in the background, with low priority

The program of the page is in ``*.js``. It only ever sets texts of runs as ``textContent``.
"""

from xamsflow.views.page.beside import PicturesBeside
from xamsflow.views.page.render import make, make_pictures, tell_watch
from xamsflow.views.page.rows import FIELDS

__all__ = ["FIELDS", "PicturesBeside", "make", "make_pictures", "tell_watch"]
