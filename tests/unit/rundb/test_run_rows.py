"""Facts on many runs at once, whatever people wrote into their documents."""

from typing import Any

import pytest

from xamsflow.rundb import run_rows

ROW: dict[str, Any] = {
    "number": 1,
    "status": "done",
    "tags": ["a"],
    "comments": ["b"],
} | dict.fromkeys(("start", "end"), run_rows.NO_TIME)


def row(**values: Any) -> list[Any]:
    return [(ROW | values).get(name) for name in run_rows.FIELDS]


def as_lists(columns: run_rows.Columns) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in columns.items()}


def test_without_rows_all_columns_are_empty() -> None:
    assert as_lists(run_rows.columns([])) == {name: [] for name in run_rows.FIELDS}


@pytest.mark.parametrize("number", [None, "seven", 2.5, -1, 1 << 40, {"a": 1}])
def test_rows_without_a_usable_number_are_left_out(number: Any) -> None:
    assert list(run_rows.columns([row(number=number), row(number=8.0)])["number"]) == [8]
    assert list(run_rows.columns([row(number=number)])["number"]) == []


@pytest.mark.parametrize("odd", [None, 1, 2.5, True, ["a"], {"a": 1}])
def test_only_text_is_left_in_texts(odd: Any) -> None:
    found = run_rows.columns([row(mode=odd), row(mode="dark")])
    assert list(found["mode"]) == ["", "dark"]


@pytest.mark.parametrize("odd", [None, 1, True, ["a"], {"a": 1}])
def test_only_texts_are_left_in_lists(odd: Any) -> None:
    found = run_rows.columns([row(tags=["a", odd]), row(tags=[odd]), row(tags=None), row()])
    assert list(found["tags"]) == [("a",), (), (), ("a",)]


def test_equal_texts_of_many_runs_are_one_object() -> None:
    numbers = range(3 * run_rows.AT_ONCE)
    found = run_rows.columns(row(number=n, mode="".join("dark"), tags=[*"xy"]) for n in numbers)
    assert list(found["number"]) == list(numbers)
    assert len({*map(id, found["mode"])}) == len({*map(id, found["tags"])}) == 1
