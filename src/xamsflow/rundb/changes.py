"""A change of a run document as a MongoDB filter and update, built from the document as read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from xamsflow.base.errors import FailureClass
from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import (
    Document,
    count,
    is_number,
    listed_tag_names,
    section,
    tag_names,
    text,
)
from xamsflow.rundb.status import NAMES, State, Status, Transition, state, understand

FIELDS = {"processing_status": 1, "processing_failed": 1, "processing": 1, "tags": 1}
"""The fields of a document that must be read before it is changed."""

CHANGE_TRIES = 50
"""How often a change is retried because somebody else changed the run just before."""


@dataclass(frozen=True)
class Change:
    """A change of status, and who makes it.

    `by` goes into the history. `owner`: the change is made only if this owner holds the run (None:
    any owner). `sets` and `clears` are fields of `processing`; what is set also goes into the
    history, and `told` goes only there. `only_if` is an additional filter. For a failure,
    `retry_at` returns when the run is retried, given how often it has failed in this way since it
    was requested. `asked`: a person requests the run, so counting starts over. Tags in `force_tags`
    have served their purpose: they are removed, and ``processing.forced`` records them.
    """

    transition: Transition
    by: str
    owner: str | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)
    clears: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    only_if: Mapping[str, Any] = field(default_factory=dict)
    retry_at: Callable[[int], datetime | None] | None = None
    asked: bool = False
    force_tags: tuple[str, ...] = ()

    def as_read(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that matches a document only if its status is what was read."""
        here = status_as_read(document)
        return {"$and": [here, self.only_if]} if self.only_if else here

    def allowed(self, document: Mapping[str, Any]) -> bool:
        """Return whether the change applies to the run's state and its owner."""
        if state(document) not in self.transition.leaves:
            return False
        return self.owner is None or section(document).get("owner") == self.owner

    def update(self, document: Mapping[str, Any], time: datetime) -> Document:
        """Return the update that changes a document that is unchanged since it was read."""
        found, reaches, processing = state(document), self.transition.reaches, section(document)
        attempt = processing.get("attempt")
        clears = {*self.clears, "retry_at"} - set(self.sets)
        again = found is State.PENDING and reaches is Status.PENDING
        if again:  # earlier requests still apply
            clears -= {"forced", "reprocess"}
        if self.asked or reaches is Status.DONE or _set_by_hand(document):
            clears |= {"tries", "tries_by_class"}
        sets = {f"processing.{name}": value for name, value in self.sets.items()}
        sets |= {"processing_status": reaches.value, "processing.time": time}
        if self.asked and run_document.campaign_mark(document):  # this request comes first
            clears.add("campaign.paused")
            if found is State.DONE or again:  # the campaign must not take this request back
                sets["processing.campaign.left"] = True
        removed = [name for name in listed_tag_names(document) if name in self.force_tags]
        if removed:
            sets["processing.forced"] = True
        if found in self.transition.new_attempt:
            attempt = count(attempt) + 1
            sets["processing.attempt"] = attempt
        entry = {
            "time": time,
            "from": understand(document.get("processing_status")).status,
            "to": reaches.value,
            "by": self.by,
            "attempt": attempt,
            **{name: value for name, value in self.sets.items() if name != "owner"},
            **self.told,
            "tags_removed": removed or None,
            "was": _foreign(document.get("processing_status")),
        }
        if reaches is Status.FAILED:
            failed = document.get("processing_failed")
            sets["processing_failed"] = count(failed) + 1
            entry["was_processing_failed"] = failed if not is_number(failed) else None
            if self.retry_at is not None:
                tries = {name: count(n) for name, n in tries_by_class(document).items()}
                failure = str(self.sets["failure"])
                tries[failure] = tries.get(failure, 0) + 1
                retry_at = self.retry_at(tries[failure])
                sets["processing.tries_by_class"] = tries
                sets["processing.tries"] = entry["tries"] = sum(tries.values())
                if retry_at is not None:
                    sets["processing.retry_at"] = entry["retry_at"] = retry_at
                    clears.discard("retry_at")
        # If there was no status, the entry's `from` is null.
        entry = {k: v for k, v in entry.items() if v is not None or k == "from"}
        entry["from"] = entry["from"] and str(entry["from"])
        update: Document = {"$set": sets, "$push": {"processing.history": entry}}
        # The job that reported progress has ended with the status.
        update["$unset"] = {f"processing.{name}": "" for name in sorted(clears | {"progress"})}
        if removed:
            update["$pull"] = {"tags": {"name": {"$in": removed}}}
        if reaches is Status.SUBMITTED:
            update["$currentDate"] = {"processing.heartbeat": True}  # the server's clock
        return update


@dataclass(frozen=True)
class TagChange:
    """A tag that a person adds (`adds`) or tags to remove (`removes`); the status stays the same.

    `action`, `reason` and `by` go into the history.
    """

    action: str
    by: str
    reason: str | None
    adds: str | None = None
    removes: tuple[str, ...] = ()

    def as_read(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that matches a document only if status and tags are what was read."""
        return {**status_as_read(document), "tags": {"$eq": document.get("tags")}}

    def allowed(self, document: Mapping[str, Any]) -> bool:
        """Return whether anything would change."""
        names = tag_names(document)
        if self.adds is not None:
            return self.adds not in names
        return bool(set(self.removes) & set(names))

    def update(self, document: Mapping[str, Any], time: datetime) -> Document:
        """Return the update that changes a document that is unchanged since it was read."""
        now = understand(document.get("processing_status")).status
        told = {
            "time": time,
            "from": now and str(now),
            "to": now and str(now),
            "by": self.by,
            "action": self.action,
            "reason": self.reason,
        }
        entry = {name: value for name, value in told.items() if value is not None or name == "from"}
        if self.adds is None:
            # The filter ensures that nobody has changed the tags since they were read.
            kept = [
                tag
                for tag in document["tags"]
                if not set(tag_names({"tags": [tag]})) & set(self.removes)
            ]
            return {"$set": {"tags": kept}, "$push": {"processing.history": entry}}
        tag = {"name": self.adds, "user": self.by, "date": time}
        if isinstance(document.get("tags"), list):
            return {"$push": {"tags": tag, "processing.history": entry}}
        return {"$set": {"tags": [tag]}, "$push": {"processing.history": entry}}


@dataclass(frozen=True)
class HealthChange:
    """The verdict on a run's quantities, in ``processing.health``; the status stays the same.

    What people have noted in the document meanwhile is kept.
    """

    health: Mapping[str, Any]

    def as_read(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that matches a document only if its verdict is what was read."""
        found = section(document).get("health")
        return {"_id": document["_id"], "processing.health": {"$eq": found}}

    def allowed(self, document: Mapping[str, Any]) -> bool:
        """Return whether anything would change."""
        return section(document).get("health") != self._merged(document)

    def update(self, document: Mapping[str, Any], time: datetime) -> Document:  # noqa: ARG002
        """Return the update that changes a document that is unchanged since it was read."""
        return {"$set": {"processing.health": self._merged(document)}}

    def _merged(self, document: Mapping[str, Any]) -> Document:
        known = list(self.health["known"])
        ours = {(note["text"], note["by"], note["time"]) for note in known}
        # A note lapses when the problem changes, which is then dated anew.
        since = {one["name"]: one["since"] for one in self.health["odd"]}
        then = run_document.health_since(document)
        for note in run_document.health_notes(document):
            names = [name for name in note["names"] if name in since]
            names = [name for name in names if then.get(name) == since[name]]
            if names and (note["text"], note["by"], note["time"]) not in ours:
                known.append({**note, "names": names})
        return {**self.health, "known": known}


def claim(
    transition: Transition,
    owner: str,
    targets: Sequence[str],
    *,
    only_if: Mapping[str, Any] | None = None,
    asked: bool = False,
    force_tags: Sequence[str] = (),
) -> Change:
    """Return the change by which `owner` claims a run to make `targets`."""
    return Change(
        transition,
        by=owner,
        sets={"owner": owner, "targets": list(targets), "stage": None},
        clears=("reason", "failure", "host", "job_id", "log", "versions", "quality"),
        only_if=only_if or {},
        asked=asked,
        force_tags=tuple(force_tags),
    )


def status_as_read(document: Mapping[str, Any]) -> Document:
    """Return the filter that matches a document only if its status is what was read."""
    processing = section(document)
    return {
        "_id": document["_id"],
        "processing_status": {"$eq": document.get("processing_status")},
        "processing_failed": {"$eq": document.get("processing_failed")},
        "processing.owner": {"$eq": processing.get("owner")},
        "processing.attempt": {"$eq": processing.get("attempt")},
    }


def make_room(document: Mapping[str, Any]) -> tuple[Document, Document] | None:
    """Return filter and update that move away values that are in the place of our fields.

    They are kept in ``processing.was``. None if there are no such values.
    """
    processing = document.get("processing", {})
    ours = isinstance(processing, dict)
    if ours and isinstance(processing.get("history", []), list):
        return None
    here = {"_id": document["_id"], "processing": {"$eq": processing}}
    if ours:
        was = {"history": processing["history"]}
        return here, {"$set": {"processing.history": [], "processing.was": was}}
    kept = {} if processing is None else {"was": processing}
    return here, {"$set": {"processing": {"history": [], **kept}}}


def tries_by_class(document: Mapping[str, Any]) -> dict[str, int]:
    """Return how often a run has failed, by class, since a person last requested it."""
    found = section(document).get("tries_by_class")
    if not isinstance(found, dict) or _set_by_hand(document):
        return {}
    return {name.value: count(found[name]) for name in FailureClass if name in found}


def _set_by_hand(document: Mapping[str, Any]) -> bool:
    """Return whether a person requested the run by setting the status without our commands."""
    history = section(document).get("history")
    last = history[-1] if isinstance(history, list) and history else None
    said = last.get("to") if isinstance(last, dict) else None
    return state(document) is State.PENDING and said != Status.PENDING


def _foreign(status: Any) -> Any:
    """Return a status that is not one of ours, or None for one that is."""
    return None if text(status) in NAMES else status
