"""Facts on many runs at once: one row per run, which the server reduces to what a table shows."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from xamsflow.redax import rundoc
from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import section, time
from xamsflow.rundb.status import understand
from xamsflow.state.layout import HIGHEST_RUN

FIELDS = (
    *("number", "mode", "source", "user", "tags", "comments"),
    *("start", "end", "status", "quality", "health", "reason"),
)
"""What a row has, in this order; see :func:`of_document`."""

TEXTS = ("mode", "source", "user", "quality", "health", "reason")

LISTS = ("tags", "comments")

AT_ONCE = 5000
"""Rows that become columns together: few enough to still be in the processor's cache."""


def _time(field: str) -> dict[str, Any]:
    is_date = {"$eq": [{"$type": field}, "date"]}
    return {"$cond": [is_date, {"$toLong": field}, None]}


def _each(field: str, name: str) -> dict[str, Any]:
    """Return the names in a list of subdocuments, of which some may be plain text."""
    listed = {"$cond": [{"$isArray": field}, field, [field]]}
    return {"$map": {"input": listed, "in": {"$ifNull": [f"$$this.{name}", "$$this"]}}}


PROJECTION = {
    "_id": 0,
    "row": [
        *("$number", "$mode", "$source", "$user"),
        *(_each("$tags", "name"), _each("$comments", "comment")),
        *(_time("$start"), _time("$end")),
        *("$processing_status", "$processing.quality.verdict", "$processing.health.verdict"),
        "$processing.reason",
    ],
}
"""MongoDB's projection to a row."""


def of_document(document: Mapping[str, Any]) -> list[Any]:
    """Return the row of a document that was not reduced by the server.

    Start and end are in ms since the epoch, tags and comments are lists of text.
    """
    quality = section(document).get("quality")
    return [
        *(document.get(name) for name in ("number", "mode", "source", "user")),
        list(rundoc.tag_names(document)),
        list(run_document.comments(document)),
        *(_ms(time(document.get(name))) for name in ("start", "end")),
        run_document.status(document),
        quality.get("verdict") if isinstance(quality, dict) else None,
        run_document.health(document).get("verdict"),
        section(document).get("reason"),
    ]


Columns: TypeAlias = dict[str, list[Any]]
"""The values of each field for many runs, in the same order."""


def columns(rows: Iterable[list[Any]]) -> Columns:
    """Return the columns of rows by name, with values that a table can hold.

    Documents hold whatever people wrote: what is not text becomes an empty text. `status` is empty
    without a status, and ``unknown`` if it is not understood. Of rows without a usable run number,
    nothing is left.
    """
    unread = iter(rows)
    return joined(iter(lambda: list(itertools.islice(unread, AT_ONCE)), []))


def joined(parts: Iterable[list[list[Any]]]) -> Columns:
    """Return the columns of several lists of rows, as :func:`columns` does.

    Equal texts become one object, which keeps the table of very many runs small and fast.
    """
    result: Columns = {name: [] for name in FIELDS}
    shared = _Shared()
    for rows in parts:
        for name, values in shared.columns(rows).items():
            result[name] += values
    return result


class _Shared:
    """The texts and lists of texts that were found so far, each once."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lists: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._statuses: dict[str, str] = {}

    def columns(self, rows: list[list[Any]]) -> dict[str, Iterable[Any]]:
        numbers: list[Any] = [row[0] for row in rows]
        if set(map(type, numbers)) != {int} or not 0 <= min(numbers) <= max(numbers) <= HIGHEST_RUN:
            numbers = [run_document.number({"number": number}) for number in numbers]
            rows = [[n, *row[1:]] for n, row in zip(numbers, rows, strict=True) if n is not None]
        if not rows:
            return {}
        found: dict[str, Any] = dict(zip(FIELDS, zip(*rows, strict=True), strict=True))
        for name in TEXTS:
            found[name] = self._of_texts(found[name])
        for name in LISTS:
            found[name] = map(self._list, found[name])
        found["status"] = map(self._status, found["status"])
        return found

    def _of_texts(self, values: tuple[Any, ...]) -> Iterable[str]:
        texts = values
        if set(map(type, values)) != {str}:
            texts = tuple([value if type(value) is str else "" for value in values])
        return map(self._texts.setdefault, texts, texts)

    def _list(self, values: list[Any] | None) -> tuple[str, ...]:
        listed = tuple(values or ())
        try:
            return self._lists[listed]
        except KeyError:
            texts = self._lists[listed] = _texts(listed)
            return texts
        except TypeError:  # it holds what cannot be looked up
            return _texts(listed)

    def _status(self, value: Any) -> str:
        if type(value) is not str:
            return _word(value)
        return self._statuses.get(value) or self._statuses.setdefault(value, _word(value))


def _texts(values: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple([value for value in values if type(value) is str])


def _word(status: Any) -> str:
    view = understand(status)
    return str(view.status or ("" if view.raw is None else "unknown"))


def _ms(moment: Any) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
