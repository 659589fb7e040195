"""The page that shows the state of all runs, written from run documents and receipts."""

from xamsflow.views.page.beside import PicturesBeside
from xamsflow.views.page.render import make, make_pictures

__all__ = ["PicturesBeside", "make", "make_pictures"]
