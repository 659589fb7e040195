"""The page that shows the state of all runs, written from run documents and receipts.

::

    facts   the numbers and lists on the page
    render  writes the page and the pictures it links to
    beside  draws pictures in the background, with low priority
"""

from xamsflow.views.page.beside import PicturesBeside
from xamsflow.views.page.render import make, make_pictures

__all__ = ["PicturesBeside", "make", "make_pictures"]
