import pytest

from xamsflow.rundb import changes


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 0), (3, 3), (3.0, 3), (True, 0), ("3", 0), ({}, 0), (float("nan"), 0),
     (float("inf"), 0)],
)  # fmt: skip
def test_a_counter_may_be_missing_or_anything(value, expected):
    assert changes.count(value) == expected


@pytest.mark.parametrize(
    "document", [{}, {"processing": {}}, {"processing": {"history": []}}, {"processing": {"a": 1}}]
)
def test_nothing_is_put_aside_where_there_is_room(document):
    assert changes.make_room(document) is None
