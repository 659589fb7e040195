"""Work done ahead: an item is made in a thread while the one before it is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def one_ahead(items: Iterator[_T], name: str) -> Iterator[_T]:
    """Yield items, none of which is None; `name` is the thread's."""
    worker = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        following = worker.submit(next, items, None)
        while (item := following.result()) is not None:
            following = worker.submit(next, items, None)
            yield item
    finally:
        # Python may come here whenever it collects what a failure left behind, also while it holds
        # a lock that the worker waits for.
        worker.shutdown(wait=False, cancel_futures=True)
