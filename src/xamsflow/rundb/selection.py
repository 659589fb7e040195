"""Which runs are taken: each condition separately, with what it found and what a person can do.

The same conditions select the runs (:func:`wanted`) and explain the selection (``xamsflow why``),
so that the two cannot disagree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import Document, tag_names, text
from xamsflow.rundb.status import State, state
from xamsflow.settings.config import Select, Watch

FIELDS = (
    *("number", "mode", "detectors", "tags", "start", "end", "processing_status"),
    *("processing.owner", "processing.forced", "processing.retry_at", "processing.reprocess"),
    *(f"processing.campaign.{name}" for name in ("name", "targets", "paused", "left")),
)
"""The fields of a document that the conditions need."""

ABANDON_TAG = "abandon"
HOLD_TAG = "hold-processing"
HOLDING_TAGS = (ABANDON_TAG, HOLD_TAG)
"""The tags of ``xamsflow abandon`` and ``hold``, which count whatever select.skip_tags says."""

WORKED_ON = frozenset({State.SUBMITTED, State.RUNNING})


@dataclass(frozen=True)
class Condition:
    """One condition: what it requires, what was found, whether it holds, and if not, a remedy."""

    name: str
    found: str
    ok: bool
    remedy: str = ""


def conditions(document: Mapping[str, Any], select: Select, now: datetime) -> list[Condition]:
    """Return the conditions for a driver to take a run at `now`, in the order people ask.

    A run is taken if all are ok. The limit on the number of runs is not among them, since it is not
    a property of one run. A forced run is exempt from the limits on number, mode, detector and age.
    """
    return [
        _ended(document, select, now),
        _waits(document, select, now),
        *_campaign(document),
        *_limits(document, select, now),
    ]


def conditions_to_ask(
    document: Mapping[str, Any], select: Select, watch: Watch, now: datetime
) -> list[Condition]:
    """Return the conditions for ``xamsflow watch`` to set a run pending automatically."""
    return [
        _ended(document, select, now),
        *_by_itself(document, watch, now),
        *_limits(document, select, now),
    ]


def wanted(document: Mapping[str, Any], select: Select, now: datetime) -> bool:
    """Return whether a driver takes a run at `now`."""
    return all(condition.ok for condition in conditions(document, select, now))


def within_limits(document: Mapping[str, Any], select: Select, now: datetime) -> bool:
    """Return whether a run is within the limits of `select`, whatever its status."""
    return all(condition.ok for condition in _limits(document, select, now))


def to_be_asked(document: Mapping[str, Any], select: Select, watch: Watch, now: datetime) -> bool:
    """Return whether ``xamsflow watch`` sets a run pending automatically."""
    return all(condition.ok for condition in conditions_to_ask(document, select, watch, now))


def query(select: Select, now: datetime) -> Document:
    """Return a MongoDB filter that matches every :func:`wanted` run, and few others."""
    ways: list[Document] = [
        {"processing_status": "pending"},
        {"processing_status.status": "pending"},
    ]
    if select.retry:
        # A failed status has several forms; they are checked here, not in the query.
        ways.append({"processing.retry_at": {"$lte": now}})
    if select.force_tags:
        ways.append({"tags.name": {"$in": list(select.force_tags)}})
    return {"$or": ways, **_may_be_taken(select)}


def query_to_ask(select: Select) -> Document:
    """Return a MongoDB filter that matches every run that is :func:`to_be_asked`."""
    return {"processing_status": None, **_may_be_taken(select)}


def forced_by_tag(document: Mapping[str, Any], select: Select) -> bool:
    """Return whether a run has a tag that forces it; the next claim removes the tag."""
    return bool(set(select.force_tags) & set(run_document.listed_tag_names(document)))


def is_forced(document: Mapping[str, Any], select: Select) -> bool:
    """Return whether a run is forced, by a tag or by one that the last claim removed."""
    return forced_by_tag(document, select) or run_document.is_forced(document)


def _may_be_taken(select: Select) -> Document:
    return {} if select.follow else {"end": {"$ne": None}}


def _ended(document: Mapping[str, Any], select: Select, now: datetime) -> Condition:
    end, start = document.get("end"), document.get("start")
    if end is None and select.follow:
        return Condition(
            "the run has ended, or is being taken (select.follow)",
            f"no end yet, began {_time(start)}",
            isinstance(start, datetime) and now - start < timedelta(hours=select.longest_run_h),
            f"it began more than {select.longest_run_h:g} h ago (select.longest_run_h). If the DAQ "
            "crashed, a person must set `end` in the run document",
        )
    return Condition(
        "the run has ended",
        "no end yet" if end is None else _time(end),
        end is not None,
        "it is still being taken. If the DAQ crashed, a person must set `end` in the run document",
    )


def _waits(document: Mapping[str, Any], select: Select, now: datetime) -> Condition:
    """Return whether the run was requested, by a person or by the retry policy."""
    number, found = document.get("number"), state(document)
    name = "it is requested"
    if found in WORKED_ON:
        owner = run_document.owner(document)
        return Condition(name, f"{found} by {owner}", False, "wait until it ends")
    if forced_by_tag(document, select):
        return Condition(name, f"by a tag ({', '.join(select.force_tags)})", True)
    retry_at = run_document.retry_at(document)
    if found is State.FAILED and retry_at is not None:
        if select.retry:
            remedy = f"wait until then, or `xamsflow retry {number}`"
            return Condition(name, f"again after {_time(retry_at)}", retry_at <= now, remedy)
        remedy = f"select.retry is off: `xamsflow retry {number}`"
        return Condition(name, "failed", False, remedy)
    remedies = {
        State.FAILED: f"fix the cause, then `xamsflow retry {number}`",
        State.DONE: f"nothing to do; to process it again, `xamsflow reprocess {number}`",
        State.ELSEWHERE: "another tool is working on it or has given up on it: "
        f"`xamsflow pend {number} --force`",
    }
    words = "not requested" if found is State.ABSENT else _status(document)
    if found is State.PENDING and (asked := run_document.campaign(document)) is not None:
        words += f" for the campaign {asked}"
    return Condition(
        name,
        words,
        found is State.PENDING,
        remedies.get(found, f"`xamsflow pend {number}`"),
    )


def _campaign(document: Mapping[str, Any]) -> list[Condition]:
    """Return the condition of a run that a campaign holds back."""
    if not run_document.is_paused(document):
        return []
    name, number = run_document.campaign(document), document.get("number")
    remedy = f"`xamsflow campaign resume {name}`, or `xamsflow pend {number} --force`"
    return [Condition("its campaign is not paused", f"{name} is paused", False, remedy)]


def _by_itself(document: Mapping[str, Any], watch: Watch, now: datetime) -> list[Condition]:
    number, end = document.get("number"), document.get("end")
    pend = f"`xamsflow pend {number}`"
    found = [
        Condition(
            "watch requests runs automatically", f"watch.auto: {watch.auto}", watch.auto, pend
        ),
        Condition(
            "it has no status yet",
            "no status" if state(document) is State.ABSENT else _status(document),
            state(document) is State.ABSENT,
            pend,
        ),
    ]
    if watch.max_age_days is not None:
        found.append(_age("watch.max_age_days", end, watch.max_age_days, now, pend))
    return found


def _limits(document: Mapping[str, Any], select: Select, now: datetime) -> list[Condition]:
    forced = is_forced(document, select)
    return [
        *(
            Condition(limit.name, f"{limit.found} (forced)", True) if forced else limit
            for limit in _limits_by_rule(document, select, now)
        ),
        _tags(document, select),
    ]


def _limits_by_rule(
    document: Mapping[str, Any], select: Select, now: datetime
) -> Iterable[Condition]:
    number, mode = document["number"], run_document.mode(document)
    first, last = select.first_run, select.last_run
    if first is not None or last is not None:
        yield Condition(
            f"its number is from {_or_any(first)} to {_or_any(last)}",
            str(number),
            (first is None or number >= first) and (last is None or number <= last),
            "change select.first_run or select.last_run",
        )
    if select.runs:
        yield Condition(
            f"its number is one of {_ranges(select.runs)}",
            str(number),
            any(number in part for part in select.runs),
            "change select.runs",
        )
    yield Condition(
        f"its mode is {' or '.join(select.modes)}",
        repr(mode) if mode else "no mode",
        any(fnmatchcase(mode, pattern) for pattern in select.modes),
        "change select.modes",
    )
    detectors = _detectors(document)
    yield Condition(
        f"its detector is {' or '.join(select.detectors)}",
        ", ".join(detectors) or "no detector",
        any(
            fnmatchcase(detector, pattern)
            for detector in detectors or ("",)
            for pattern in select.detectors
        ),
        "change select.detectors",
    )
    if select.max_age_days is not None:
        remedy = "change select.max_age_days, or force it with a tag"
        yield _age("select.max_age_days", document.get("end"), select.max_age_days, now, remedy)


def _tags(document: Mapping[str, Any], select: Select) -> Condition:
    skipped = dict.fromkeys((*select.skip_tags, *HOLDING_TAGS))
    forbidden = [name for name in tag_names(document) if name in skipped]
    number = document["number"]
    return Condition(
        f"it has no tag {' or '.join(skipped)}",
        ", ".join(tag_names(document)) or "no tags",
        not forbidden,
        f"`xamsflow release {number}`",
    )


def _age(key: str, end: Any, days: float, now: datetime, remedy: str) -> Condition:
    known = isinstance(end, datetime)  # a missing end has its own condition
    return Condition(
        f"it ended in the last {days:g} days ({key})",
        _time(end) if end is not None else "no end yet",
        end is None or (known and now - end <= timedelta(days=days)),
        remedy,
    )


def _detectors(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = document.get("detectors")
    names = found if isinstance(found, list) else [found]
    return tuple(name for name in map(text, names) if name is not None)


def _status(document: Mapping[str, Any]) -> str:
    return f"{run_document.status(document)!s:.60}"


def _or_any(number: int | None) -> str:
    return "any" if number is None else str(number)


def _ranges(ranges: Iterable[range]) -> str:
    return ", ".join(
        str(part.start) if len(part) == 1 else f"{part.start}-{part.stop - 1}" for part in ranges
    )


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return repr(value)
