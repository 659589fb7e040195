"""Facts on many runs at once: one row per run, which the server reduces to what a table shows."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from xamsflow.redax import rundoc
from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import section, time
from xamsflow.rundb.status import understand
from xamsflow.state.layout import HIGHEST_RUN

if TYPE_CHECKING:
    import numpy as np

FIELDS = (
    *("number", "mode", "source", "user", "tags", "comments"),
    *("start", "end", "status", "quality", "health", "reason"),
)
"""What a row has, in this order; see :func:`of_document`."""

TEXTS = ("mode", "source", "user", "quality", "health", "reason")

LISTS = ("tags", "comments")

NUMBERS = ("number", "start", "end")

AT_ONCE = 1000
"""Rows that become columns together: few enough to still be in the processor's cache."""


NO_TIME = -(1 << 63)
"""A missing time; numpy reads it as "not a time"."""


def _time(field: str) -> dict[str, Any]:
    is_date = {"$eq": [{"$type": field}, "date"]}
    return {"$cond": [is_date, {"$toLong": field}, NO_TIME]}


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

    Start and end are in ms since the epoch or NO_TIME, tags and comments are lists of text.
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


Columns: TypeAlias = "dict[str, np.ndarray]"
"""The values of each field for many runs, in the same order: integers for :data:`NUMBERS`."""


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
    import numpy as np  # noqa: PLC0415 - few programs need this table

    shared = {
        **dict.fromkeys(TEXTS, _Shared(str)),
        **dict.fromkeys(LISTS, _Shared(_texts)),
        "status": _Shared(_word),
    }
    # Convert part by part to arrays, while each is still in the processor's cache.
    found = [_arrays(_numbered(rows), shared) for rows in parts]
    found.append(_arrays([], shared))
    return {name: np.concatenate([part[name] for part in found]) for name in FIELDS}


def _arrays(rows: list[list[Any]], shared: Mapping[str, "_Shared"]) -> Columns:
    import numpy as np  # noqa: PLC0415 - few programs need this table

    columns: Iterable[tuple[Any, ...]] = zip(*rows, strict=True) if rows else [()] * len(FIELDS)
    found: dict[str, Any] = dict(zip(FIELDS, columns, strict=True))
    for name in TEXTS:
        found[name] = _each_text(found[name])
    for name in LISTS:
        found[name] = [tuple(values) if values else () for values in found[name]]
    for name, function in shared.items():
        found[name] = function.of(found[name])
    return {
        name: np.fromiter(values, np.int64 if name in NUMBERS else object, len(rows))
        for name, values in found.items()
    }


def _numbered(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the rows with a usable run number."""
    numbers = [row[0] for row in rows]
    if set(map(type, numbers)) == {int} and 0 <= min(numbers) <= max(numbers) <= HIGHEST_RUN:
        return rows
    numbers = [run_document.number({"number": number}) for number in numbers]
    return [[n, *row[1:]] for n, row in zip(numbers, rows, strict=True) if n is not None]


def _each_text(values: tuple[Any, ...]) -> Iterable[str]:
    if set(map(type, values)) == {str}:
        return values
    return [value if type(value) is str else "" for value in values]


class _Shared(dict[Any, Any]):
    """The results of a function of one value, each made once."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, value: Any) -> Any:
        result = self[value] = self._function(value)
        return result

    def of(self, values: Iterable[Any]) -> Iterable[Any]:
        """Return the results for several values, of which some may be unhashable."""
        try:
            return list(map(self.__getitem__, values))
        except TypeError:
            return [self._of_one(value) for value in values]

    def _of_one(self, value: Any) -> Any:
        try:
            return self[value]
        except TypeError:
            return self._function(value)


def _texts(values: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple([value for value in values if type(value) is str])


def _word(status: Any) -> str:
    view = understand(status)
    return str(view.status or ("" if view.raw is None else "unknown"))


def _ms(moment: Any) -> int:
    return NO_TIME if moment is None else round(moment.timestamp() * 1000)
