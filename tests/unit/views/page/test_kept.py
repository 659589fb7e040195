"""An open page learns exactly what has changed since its version."""

from typing import Any

import pytest

from xamsflow.state import layout
from xamsflow.views.page import kept
from xamsflow.views.page.kept import TOLD, Kept

SAID = 5


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout.PAGE_KEPT.parent.mkdir()


def rows(number: int, **changed: Any) -> list[tuple[Any, ...]]:
    return [(i, changed.get(f"run{i}", "same")) for i in range(number)]


def test_changed_and_new_rows_are_told_until_they_are_too_many():
    page = Kept()
    assert page.take(rows(1000), SAID, 1.0)
    first = page.stamp
    assert page.changes() == (first, set())
    assert page.take([*rows(1000, run7="other"), (1000, "new")], SAID, 2.0)
    second = page.stamp
    assert second > first
    assert page.changes() == (first, {7, 1000})
    many = {f"run{i}": "third" for i in range(TOLD)}
    assert page.take([*rows(1000, **many), (1000, "new")], SAID, 3.0)
    # A page of the first version has missed what is no longer told, one of the second has not.
    since, told = page.changes()
    assert since == second
    assert told == set(range(TOLD))


def test_what_is_not_new_makes_no_version():
    page = Kept()
    page.take(rows(3), SAID, 1.0)
    stamp = page.stamp
    assert not page.take(rows(3), SAID, 2.0)
    # Another process has looked earlier, and is late.
    assert not page.take(rows(3, run1="before"), SAID, 0.5)
    assert page.stamp == stamp
    assert page.take(rows(3), SAID + 1, 3.0)
    assert page.changes() == (stamp, set())


def test_a_page_that_shows_a_run_that_is_gone_must_load_itself_again():
    page = Kept()
    page.take(rows(3), SAID, 1.0)
    page.take(rows(2), SAID, 2.0)
    assert page.changes() == (page.stamp, set())


def test_an_outage_of_the_run_database_renews_no_rows():
    page = Kept()
    page.take(rows(3), SAID, 1.0)
    page.take(rows(3, run1="other"), SAID, 2.0)
    before = page.stamp
    assert page.take(None, SAID + 1, 3.0)
    # A page of the last version with changed rows needs no rows, an earlier one loads itself again.
    assert page.changes(0) == (before, set())
    assert not page.take(None, SAID + 1, 4.0)
    during = page.stamp
    assert page.take(rows(3, run1="other", run2="new"), SAID, 5.0)
    since, told = page.changes()
    assert since < during
    assert told == {1, 2}


def test_what_is_kept_goes_on_in_the_next_process():
    page = Kept()
    page.take(rows(3), SAID, 1.0)
    page.take(rows(3, run1="other"), SAID, 2.0)
    kept.write(page)
    assert kept.read() == page
    for damage in (b"", b"{}", b'{"version": 0}', b'{"version": 1, "rows": [[1]]}', b"[\xff"):
        layout.PAGE_KEPT.write_bytes(damage)
        again = kept.read()
        assert again == Kept()
        # An open page knows that its version is of before.
        assert again.take(rows(3), SAID, 3.0)
        assert again.stamp > page.stamp - 1000
