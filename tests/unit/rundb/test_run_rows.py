"""Facts on many runs at once, whatever people wrote into their documents."""

from typing import Any

import pytest

from xamsflow.rundb import run_rows

ROW: dict[str, Any] = {"number": 1, "status": "done", "tags": ["a"], "comments": ["b"]}


def row(**values: Any) -> list[Any]:
    return [(ROW | values).get(name) for name in run_rows.FIELDS]


def test_without_rows_all_columns_are_empty() -> None:
    assert run_rows.columns([]) == {name: [] for name in run_rows.FIELDS}


@pytest.mark.parametrize("number", [None, "seven", 2.5, -1, 1 << 40, {"a": 1}])
def test_rows_without_a_usable_number_are_left_out(number: Any) -> None:
    assert run_rows.columns([row(number=number), row(number=8.0)])["number"] == [8]
    assert run_rows.columns([row(number=number)])["number"] == []


@pytest.mark.parametrize("odd", [None, 1, 2.5, True, ["a"], {"a": 1}])
def test_only_text_is_left_in_texts(odd: Any) -> None:
    found = run_rows.columns([row(mode=odd), row(mode="dark")])
    assert found["mode"] == ["", "dark"]


@pytest.mark.parametrize("odd", [None, 1, True, ["a"], {"a": 1}])
def test_only_texts_are_left_in_lists(odd: Any) -> None:
    found = run_rows.columns([row(tags=["a", odd]), row(tags=[odd]), row(tags=None), row()])
    assert found["tags"] == [("a",), (), (), ("a",)]


def test_equal_texts_of_many_runs_are_one_object() -> None:
    numbers = range(3 * run_rows.AT_ONCE)
    found = run_rows.columns(row(number=n, mode="".join("dark"), tags=[*"xy"]) for n in numbers)
    assert found["number"] == list(numbers)
    assert len({*map(id, found["mode"])}) == len({*map(id, found["tags"])}) == 1
