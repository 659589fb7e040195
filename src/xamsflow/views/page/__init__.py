"""The page that shows how things are: one file, made anew from run documents and receipts."""

from xamsflow.views.page.beside import PicturesBeside
from xamsflow.views.page.render import make, make_pictures

__all__ = ["PicturesBeside", "make", "make_pictures"]
