"""The page that shows how things are: one file, made anew from run documents and receipts."""

from xamsflow.page.make import make, make_pictures

__all__ = ["make", "make_pictures"]
