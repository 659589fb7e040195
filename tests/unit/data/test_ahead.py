"""Items made ahead: in order, one at a time, with their errors, and no further than one."""

import threading
from collections.abc import Iterator

import pytest

from xamsflow.data.ahead import one_ahead


def test_items_come_in_order_and_one_ahead() -> None:
    made: list[int] = []
    is_made = threading.Condition()

    def make() -> Iterator[int]:
        for number in range(5):
            with is_made:
                made.append(number)
                is_made.notify()
            yield number

    used = []
    for number in one_ahead(make(), "maker"):
        used.append(number)
        with is_made:
            assert is_made.wait_for(lambda: len(made) >= min(len(used) + 1, 5), timeout=10)
        assert len(made) <= len(used) + 1
    assert used == [0, 1, 2, 3, 4]


def test_an_error_is_raised_when_its_item_is_requested() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("what a bug says")

    items = one_ahead(make(), "maker")
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError, match="what a bug says"):
        next(items)


def test_stopping_early_does_not_wait() -> None:
    goes_on = threading.Event()

    def make() -> Iterator[int]:
        yield 1
        goes_on.wait()
        yield 2

    items = one_ahead(make(), "maker")
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]
    goes_on.set()
