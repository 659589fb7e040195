"""The fields of a run document, whichever tool wrote them.

The fields of this project are read here and written in :mod:`xamsflow.rundb.changes`; the DAQ's own
fields are read in :mod:`xamsflow.redax.rundoc`. No other module knows their names. A value of the
wrong type counts as missing: anybody may write to a run document.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from xamsflow.redax import rundoc
from xamsflow.settings.config import Config
from xamsflow.state import layout

Document = dict[str, Any]

LIVE = "live"
"""The `type` of `data` entries for live data."""

COMPARED = (
    *("number", "mode", "source", "tags", "comments", "start", "end"),
    *("data", "processing_status", "processing"),
)
"""The fields compared with what is stored; the DAQ's settings, which are large, are not."""

TOUCHED = (
    *("number", "processing_status"),
    *(f"data.{name}" for name in ("type", "host", "location")),
    *(f"data.{name}" for name in ("protocol", "lineage_hash", "size_mb", "by", "user")),
)
"""The fields that show whether a run has a status, and on which hosts which tool has its data."""

MOST = 1_000_000
"""The largest credible value of a counter; a larger one was written by hand."""

MOST_MB = 1e12
"""The largest credible size, in MB."""


# The DAQ's own fields


def number(document: Mapping[str, Any]) -> int | None:
    """Return the run number, None without a usable one."""
    found = rundoc.whole(document.get("number"))
    return found if found is not None and layout.is_run_number(found) else None


def mode(document: Mapping[str, Any]) -> str:
    """Return the run mode, empty without one."""
    return text(document.get("mode")) or ""


def tag_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a run's tags, including those written by hand as plain text."""
    return rundoc.tag_names(document)


def comments(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of a run's comments."""
    found = document.get("comments")
    notes = found if isinstance(found, list) else [found]
    texts = (note.get("comment") if isinstance(note, dict) else note for note in notes)
    return tuple(one for one in texts if type(one) is str)


def listed_tag_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tags in the DAQ's form: only these can force a run."""
    found = document.get("tags")
    tags = found if isinstance(found, list) else []
    return rundoc.tag_names({"tags": [tag for tag in tags if isinstance(tag, dict)]})


def is_being_taken(document: Mapping[str, Any]) -> bool:
    """Return whether a run has no end yet."""
    return document.get("end") is None


def data(document: Mapping[str, Any]) -> Any:
    """Return the field `data` unchanged."""
    return document.get("data")


def data_entries(document: Mapping[str, Any]) -> list[Document]:
    """Return the entries of `data`, which say where live data and strax data are."""
    found = document.get("data")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# The fields of this project


def status(document: Mapping[str, Any]) -> Any:
    """Return the status unchanged, in whatever form."""
    return document.get("processing_status")


def section(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document's `processing`, empty if there is no usable one."""
    found = document.get("processing")
    return found if isinstance(found, dict) else {}


def owner(document: Mapping[str, Any]) -> str | None:
    """Return who last claimed a run, perhaps long ago."""
    return text(section(document).get("owner"))


def attempt(document: Mapping[str, Any]) -> int:
    """Return how often processing of a run was started."""
    return count(section(document).get("attempt"))


def targets(document: Mapping[str, Any]) -> list[str] | None:
    """Return the targets of the last claim, None without one by this project."""
    found = section(document).get("targets")
    return [str(target) for target in found] if isinstance(found, list) else None


def is_to_be_reprocessed(document: Mapping[str, Any]) -> bool:
    """Return whether somebody requested that a run be processed again."""
    return section(document).get("reprocess") is True


def is_forced(document: Mapping[str, Any]) -> bool:
    """Return whether a run is forced by a tag that the last claim removed."""
    return section(document).get("forced") is True


def retry_at(document: Mapping[str, Any]) -> datetime | None:
    """Return when a failed run is retried."""
    return time(section(document).get("retry_at"))


def campaign_mark(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the last campaign that requested a run noted in it, empty if none did."""
    found = section(document).get("campaign")
    return found if isinstance(found, dict) and text(found.get("name")) is not None else {}


def campaign(document: Mapping[str, Any]) -> str | None:
    """Return the campaign for which a run is processed; None if a person has requested it since."""
    mark = campaign_mark(document)
    return None if mark.get("left") is True else text(mark.get("name"))


def campaign_targets(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the targets that a campaign wants of a run; None for those of the settings."""
    wanted = campaign_mark(document).get("targets")
    if campaign(document) is None or not isinstance(wanted, list):
        return None
    return tuple(map(str, wanted)) or None


def wanted_targets(document: Mapping[str, Any], settings: Config) -> tuple[str, ...]:
    """Return the targets that the next claim of a run will have."""
    return campaign_targets(document) or settings.targets_for(mode(document))


def is_paused(document: Mapping[str, Any]) -> bool:
    """Return whether a run belongs to a campaign that is paused."""
    return campaign(document) is not None and campaign_mark(document).get("paused") is True


def history(document: Mapping[str, Any]) -> list[Document]:
    """Return the changes of status, oldest first."""
    found = section(document).get("history")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def health(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the verdict on a run's quantities, empty if there is none."""
    found = section(document).get("health")
    return found if isinstance(found, dict) else {}


def health_notes(document: Mapping[str, Any]) -> list[Document]:
    """Return what people noted about a run's deviations; anything else there is left out."""
    notes = health(document).get("known")
    return [
        note
        for note in (notes if isinstance(notes, list) else [])
        if isinstance(note, dict)
        and all(text(note.get(name)) is not None for name in ("text", "by", "time"))
        and isinstance(note.get("names"), list)
        and all(isinstance(name, str) for name in note["names"])
    ]


def health_since(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run in which each deviation of a run began, by the name of the quantity."""
    odd = health(document).get("odd")
    return {
        one["name"]: one.get("since")
        for one in (odd if isinstance(odd, list) else [])
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }


def with_outcome(
    document: Mapping[str, Any], status: str, *, data: list[Document], **about: Any
) -> Document:
    """Return a run document with this outcome; `about` are fields of `processing`."""
    return {**document, "processing_status": status, "processing": about, "data": data}


# Values


def text(value: Any) -> str | None:
    """Return a text, or None for anything else.

    BSON's code type is also a str, but cannot be compared or hashed as one.
    """
    return value if type(value) is str else None


def time(value: Any) -> datetime | None:
    """Return a time in UTC, or None for anything else."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def is_number(value: Any) -> bool:
    """Return whether a counter is a number, or missing."""
    return isinstance(value, int | float | None) and not isinstance(value, bool)


def size_mb(entry: Mapping[str, Any]) -> float | None:
    """Return the size of an entry of `data` in MB, or None if it has no credible one."""
    found = entry.get("size_mb")
    if found is None or not is_number(found) or not 0 <= found <= MOST_MB:  # nor NaN
        return None
    return float(found)


def count(value: Any) -> int:
    """Return a counter that may be missing, a double, or not a number at all.

    It is bounded, so that it can be incremented.
    """
    if value is None or not is_number(value) or not math.isfinite(value):
        return 0
    return max(0, min(int(value), MOST))
