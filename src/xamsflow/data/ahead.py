"""Look-ahead: a thread prepares the next item while the current one is in use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def one_ahead(items: Iterator[_T], name: str) -> Iterator[_T]:
    """Yield items, which must not be None; `name` is the thread's name."""
    worker = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        following = worker.submit(next, items, None)
        while (item := following.result()) is not None:
            following = worker.submit(next, items, None)
            yield item
    finally:
        # Python may run this at any time, when it collects what a failure left over, even while it
        # holds a lock that the worker waits for. Waiting for the worker could therefore deadlock.
        worker.shutdown(wait=False, cancel_futures=True)
