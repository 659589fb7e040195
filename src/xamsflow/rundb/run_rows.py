"""Facts on many runs at once: one row per run, which the server reduces to what a table shows."""

from collections.abc import Mapping
from typing import Any

from xamsflow.redax import rundoc
from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import section, time
from xamsflow.rundb.status import understand

FIELDS = (
    *("number", "mode", "source", "user", "tags", "comments"),
    *("start", "end", "status", "quality", "health", "reason"),
)
"""What a row has, in this order; see :func:`of_document`."""


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


def columns(rows: list[list[Any]]) -> dict[str, list[Any]]:
    """Return the columns of rows by name, with values that a table can hold.

    Documents hold whatever people wrote: what is not text becomes an empty text. `status` is empty
    without a status, and ``unknown`` if it is not understood.
    """
    found = dict(zip(FIELDS, zip(*rows, strict=True), strict=True)) if rows else {}
    result: dict[str, list[Any]] = {name: list(found.get(name, ())) for name in FIELDS}
    for name in ("mode", "source", "user", "quality", "health", "reason"):
        result[name] = [value if type(value) is str else "" for value in result[name]]
    for name in ("tags", "comments"):
        result[name] = [
            tuple([value for value in values if type(value) is str]) if values else ()
            for values in result[name]
        ]
    words: dict[str, str] = {}
    result["status"] = [
        (words.get(value) or words.setdefault(value, _word(value)))
        if type(value) is str
        else _word(value)
        for value in result["status"]
    ]
    return result


def _word(status: Any) -> str:
    view = understand(status)
    return str(view.status or ("" if view.raw is None else "unknown"))


def _ms(moment: Any) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
