"""All runs in compact form: numbers, and texts that are stored only once."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from xamsflow.redax import rundoc
from xamsflow.rundb import RunSummary, registered, run_document
from xamsflow.state import layout
from xamsflow.state.lineages import NONE, Hashes
from xamsflow.views.html_page import shown

FIELDS = (*RunSummary.FIELDS, "data.time", "data.source", "comments")
"""The fields read from each run document."""

COLUMNS = (
    *("number", "mode", "tags", "comments", "start", "length", "size", "status", "quality"),
    *("health", "reason", "failure", "stage", "host", "changed", "retry", "source"),
    *("lineages", "in_use", "picture"),
)
"""The columns of a row, in order.

Times are in s since the epoch, the length in s, the size in MB; `lineages` is a text with
``<data type> <lineage hash>`` for each data type, separated by ``;``. `in_use` has the same for the
data types of which earlier data are in use. `source` names the source of the live data. `picture`
is 0 or 1.
"""

TEXTS = frozenset(
    {
        *("mode", "comments", "status", "quality", "health", "reason", "failure", "stage"),
        *("host", "source", "lineages", "in_use"),
    }
)
"""The columns whose values are texts; `tags` is a list of them."""

NEVER = datetime.fromtimestamp(0, UTC)
"""The time of data whose creation time is unknown."""

Row: TypeAlias = tuple[Any, ...]


@dataclass(slots=True)
class Lineage:
    """Data sets of one type with the same lineage, and when they were made."""

    first: datetime
    last: datetime
    n_runs: int = 0


class Lineages:
    """The lineages that the runs have, by data type and hash."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Lineage | None] = {}

    def add(self, data_type: str, lineage: str, time: datetime) -> bool:
        """Count a data set; return whether its type and hash are valid names."""
        key = data_type, lineage
        known = self._found.get(key, ...)
        if known is ...:
            known = Lineage(time, time) if _is_name(data_type) and _is_name(lineage) else None
            self._found[key] = known
        if known is None:
            return False
        known.n_runs += 1
        known.first = min(known.first, time)
        known.last = max(known.last, time)
        return True

    def newest_first(self) -> dict[str, list[tuple[str, Lineage]]]:
        """Return the lineages of each data type; the newest is that of the data made last.

        Data types are in the order in which runs get them.
        """
        found: dict[str, list[tuple[str, Lineage]]] = {}
        for (data_type, lineage), known in self._found.items():
            if known is not None:
                found.setdefault(data_type, []).append((lineage, known))
        for several in found.values():
            several.sort(key=lambda one: one[1].last, reverse=True)
        return found

    def to_json(self) -> dict[str, list[list[Any]]]:
        """Return them as plain JSON: hash, first and last time in s, number of runs."""
        return {
            data_type: [
                [lineage, _seconds(one.first), _seconds(one.last), one.n_runs]
                for lineage, one in several
            ]
            for data_type, several in self.newest_first().items()
        }


def row(
    run: RunSummary,
    document: Mapping[str, Any],
    lineages: Lineages,
    host: str,
    earlier: Hashes = NONE,
) -> Row:
    """Return the row of a run, and count the lineages of its data on the cluster `host`.

    `earlier` has the lineage hashes that are in use, whatever was made later.
    """
    stored = _stored(document, run.changed, lineages, host)
    in_use = {
        name: earlier[name] for name in stored if earlier.get(name, stored[name]) != stored[name]
    }
    status = run.status.value if run.status else "" if run.status_found is None else "unknown"
    return (
        run.number,
        shown(run.mode),
        tuple(shown(tag) for tag in rundoc.tag_names(document)),
        shown(" / ".join(run_document.comments(document))),
        _seconds(run.start),
        None if run.length_s is None else round(run.length_s),
        None if run.size_mb is None else round(run.size_mb, 1),
        status,
        shown(run.verdict or ""),
        shown(run.health or ""),
        shown(run.reason or ""),
        shown(run.failure or ""),
        shown(run.stage or ""),
        shown(run.host or ""),
        _seconds(run.changed),
        _seconds(run.retry_at),
        shown(_source(document, host)),
        _text(stored),
        _text(in_use),
        # Not as a path object: there are thousands. No error if it is not readable.
        int(os.path.isfile(layout.OVERVIEW.format(run_id=run.run))),  # noqa: PTH113
    )


def block(rows: Iterable[Row]) -> dict[str, Any]:
    """Return rows as plain JSON, in which each text is an index into the list `words`."""
    numbers: dict[str, int] = {}

    def word(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    is_text = [name in TEXTS for name in COLUMNS]
    tags = COLUMNS.index("tags")
    coded = []
    for one in rows:
        cells = [word(value) if text else value for value, text in zip(one, is_text, strict=True)]
        cells[tags] = [word(tag) for tag in one[tags]]
        coded.append(cells)
    return {"columns": COLUMNS, "texts": sorted(TEXTS), "rows": coded, "words": list(numbers)}


def _stored(
    document: Mapping[str, Any], changed: datetime | None, lineages: Lineages, host: str
) -> dict[str, str]:
    """Return the data types that we stored for a run, with their lineages."""
    found: dict[str, str] = {}
    for entry in run_document.data_entries(document):
        data_type, lineage = entry.get("type"), entry.get("lineage_hash")
        if type(data_type) is not str or type(lineage) is not str:
            continue
        if not registered.is_ours(entry, host):
            continue
        time = run_document.time(entry.get("time")) or changed or NEVER
        if lineages.add(data_type, lineage, time):
            found.pop(data_type, None)  # the last entry counts, and its place
            found[data_type] = lineage
    return found


def _text(lineages: Mapping[str, str]) -> str:
    return ";".join([f"{data_type} {lineage}" for data_type, lineage in lineages.items()])


def _source(document: Mapping[str, Any], host: str) -> str:
    """Return the name of the source from which the cluster has the live data, empty if unknown."""
    for entry in run_document.data_entries(document):
        if entry.get("type") == run_document.LIVE and entry.get("host") == host:
            return str(entry.get("source") or "")
    return ""


def _is_name(text: str) -> bool:
    return len(text) <= 64 and text.replace("_", "a").isalnum()


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp())
