"""What a run's ``processing_status`` means in each of its forms, and how it may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xamsflow.rundb import run_document
from xamsflow.rundb.run_document import text


class Status(StrEnum):
    """The status of a run, written to ``processing_status`` as a plain string."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


NAMES = {status.value: status for status in Status}

OLD_NAMES = {"submitted_job": Status.SUBMITTED, "processing": Status.RUNNING}
"""Names that amstrax 1.x and 2.0 gave a status."""

OLD_BUILDING = "building_"
OLD_FAILED = "failed due to "
"""Prefixes that amstrax wrote before a data type or a reason."""


@dataclass(frozen=True)
class StatusView:
    """An interpreted status: None if there is none, or if `raw` is not understood.

    `reason` is what an older tool wrote in the status itself; `raw` is the value in the document.
    """

    status: Status | None
    reason: str | None
    raw: Any


def understand(value: Any) -> StatusView:
    """Interpret a ``processing_status`` by any tool: absent or null, a string, or a dict."""
    if (plain := text(value)) is not None:
        status, reason = _understand_text(plain)
        return StatusView(status, reason, value)
    if isinstance(value, dict) and (plain := text(value.get("status"))) is not None:
        status, reason = _understand_text(plain)
        return StatusView(status, text(value.get("reason")) or reason, value)
    return StatusView(None, None, value)


def _understand_text(found: str) -> tuple[Status | None, str | None]:
    if found in NAMES:
        return NAMES[found], None
    if found.startswith(OLD_FAILED):
        return Status.FAILED, found.removeprefix(OLD_FAILED)
    if found.startswith(OLD_BUILDING):
        return Status.RUNNING, None
    return OLD_NAMES.get(found), None


class State(StrEnum):
    """The state of a run for this project: its status, divided where the next step differs."""

    ABSENT = "absent"
    UNKNOWN = "unknown"  # there is a status, but it is not understood
    PENDING = "pending"
    ELSEWHERE = "elsewhere"  # submitted or running, but not claimed by a driver of this project
    SUBMITTED = "submitted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def state(document: Mapping[str, Any]) -> State:
    """Return the state of the run of a document."""
    view = understand(run_document.status(document))
    if view.status is None:
        return State.ABSENT if view.raw is None else State.UNKNOWN
    # A status in an older tool's form belongs to that tool, even if we left an owner before.
    ours = view.raw == view.status and run_document.owner(document) is not None
    if view.status in (Status.SUBMITTED, Status.RUNNING) and not ours:
        return State.ELSEWHERE
    return State(view.status)


@dataclass(frozen=True)
class Transition:
    """A change of status: from any of `leaves` to `reaches`.

    From one of `new_attempt`, it starts another attempt.
    """

    leaves: frozenset[State]
    reaches: Status
    new_attempt: frozenset[State] = frozenset()


_CLAIMED = frozenset({State.SUBMITTED, State.RUNNING})
_FREE = frozenset(State) - _CLAIMED

CLAIM = Transition(
    leaves=frozenset({State.PENDING}),
    reaches=Status.SUBMITTED,
    new_attempt=frozenset({State.PENDING}),
)
CLAIM_AGAIN = Transition(
    leaves=frozenset({State.FAILED}),
    reaches=Status.SUBMITTED,
    new_attempt=frozenset({State.FAILED}),
)
CLAIM_ANY = Transition(leaves=_FREE, reaches=Status.SUBMITTED, new_attempt=_FREE)
TAKE_OVER = Transition(leaves=_CLAIMED, reaches=Status.SUBMITTED, new_attempt=_CLAIMED)
STARTED = Transition(
    leaves=_CLAIMED | {State.FAILED},
    reaches=Status.RUNNING,
    new_attempt=frozenset({State.FAILED}),
)
FAILED = Transition(leaves=_CLAIMED, reaches=Status.FAILED)
DONE = Transition(leaves=_CLAIMED, reaches=Status.DONE)
RELEASE = Transition(leaves=_CLAIMED, reaches=Status.PENDING)
RELEASE_DONE = Transition(leaves=_CLAIMED, reaches=Status.DONE)
SET_PENDING = Transition(leaves=_FREE, reaches=Status.PENDING)
