"""What a campaign changes in run documents: requests for many runs that can be taken back.

The mark ``processing.campaign`` says which campaign requested a run, with which targets, and what
the run was before (`was`). It is written in the same atomic change as the status, so that a run is
requested once however often a campaign is started, by whomever, and wherever it was interrupted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pymongo.collection import Collection

from xamsflow.base import clock
from xamsflow.rundb import changes, claiming, run_document, status
from xamsflow.rundb.changes import CHANGE_TRIES, Change
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.rundb.run_document import Document, campaign_mark, section
from xamsflow.rundb.status import State, Transition, state, understand

MARK = "processing.campaign"

AT_ONCE = 1000
"""Runs changed by one request."""

PUT_BACK = (
    *("owner", "heartbeat", "reason", "failure", "forced", "reprocess", "time"),
    *("retry_at", "tries", "tries_by_class"),
)
"""The fields of `processing` that a request changes."""

REQUESTED = frozenset({State.ABSENT, State.DONE, State.FAILED})
"""The states in which a campaign requests a run: nobody else waits for it or works on it."""


@dataclass(frozen=True)
class Request:
    """The request of a run that the campaign has not requested before.

    With `again`, the request of a run that has failed for the campaign. `by` and `reason` go into
    the history. `targets` is empty for those of the settings. `directory` is the working directory
    of the campaign.
    """

    name: str
    targets: tuple[str, ...]
    by: str
    reason: str
    again: bool = False
    directory: str | None = None

    def as_read(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that matches a document only if its status is what was read."""
        return self._change.as_read(document)

    def allowed(self, document: Mapping[str, Any]) -> bool:
        """Return whether the campaign requests a run in this state."""
        asked = campaign_mark(document).get("name") == self.name
        return asked == self.again and self._change.allowed(document)

    def update(self, document: Mapping[str, Any], time: datetime) -> Document:
        """Return the update that changes a document that is unchanged since it was read."""
        update = self._change.update(document, time)
        processing, mark = section(document), campaign_mark(document)
        was: Document = {name: processing[name] for name in PUT_BACK if name in processing}
        if mark:
            was["campaign"] = {key: value for key, value in mark.items() if key != "was"}
        wanted = {
            "name": self.name,
            "targets": list(self.targets) or None,
            "directory": self.directory,
            "was": was,
        }
        was["attempt"] = run_document.attempt(document)
        was["status"] = run_document.status(document)
        for operator in ("$set", "$unset"):
            update[operator] = {
                key: value
                for key, value in update[operator].items()
                if not key.startswith(f"{MARK}.")
            }
        update["$set"][MARK] = {key: value for key, value in wanted.items() if value is not None}
        return update

    @cached_property
    def _change(self) -> Change:
        leaves = frozenset({State.FAILED}) if self.again else REQUESTED
        return Change(
            Transition(leaves, status.Status.PENDING),
            by=self.by,
            sets={"reprocess": True},
            clears=("owner", "heartbeat", "reason", "failure", "forced"),
            told={"action": "campaign", "reason": self.reason},
            asked=True,
        )


@dataclass(frozen=True)
class PutBack:
    """Taking back the request of a run that no driver has claimed since: it is as it was before.

    Without `retried`, a run that failed for the campaign and was requested again stays requested:
    a campaign that goes on would not request it another time.
    """

    name: str
    by: str
    reason: str
    retried: bool = False

    def as_read(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that matches a document only if its status is what was read."""
        return changes.status_as_read(document)

    def allowed(self, document: Mapping[str, Any]) -> bool:
        """Return whether a run still waits as the campaign requested it."""
        mark = campaign_mark(document)
        was = mark.get("was")
        return (
            mark.get("name") == self.name
            and run_document.campaign(document) is not None
            and state(document) is State.PENDING
            and isinstance(was, dict)
            and was.get("attempt") == run_document.attempt(document)
            and (self.retried or not self._is_retried(was))
        )

    def update(self, document: Mapping[str, Any], time: datetime) -> Document:
        """Return the update that changes a document that is unchanged since it was read."""
        was = campaign_mark(document)["was"]
        before = was.get("status")
        to = understand(before).status
        back = {f"processing.{name}": was[name] for name in PUT_BACK if name in was}
        gone = [f"processing.{name}" for name in PUT_BACK if name not in was]
        for key, value in ((MARK, was.get("campaign")), ("processing_status", before)):
            if value is None:
                gone.append(key)
            else:
                back[key] = value
        entry = {
            "time": time,
            "from": "pending",
            "to": to and str(to),
            "by": self.by,
            "action": "campaign",
            "reason": self.reason,
        }
        update: Document = {
            "$unset": dict.fromkeys(gone, ""),
            "$push": {"processing.history": entry},
        }
        return update | ({"$set": back} if back else {})

    def _is_retried(self, was: Mapping[str, Any]) -> bool:
        before = was.get("campaign")
        return isinstance(before, dict) and before.get("name") == self.name


CampaignChange = Request | PutBack


def apply(
    collection: Collection[Document],
    endpoint: Endpoint,
    numbers: Iterable[int],
    step: CampaignChange,
) -> set[int]:
    """Make a change to each of these runs for which it is allowed.

    Returns the runs that could not be changed: those without exactly one document, those whose
    document cannot be changed, and those that others keep changing.
    """
    wanted = list(numbers)
    failed: set[int] = set()
    for start in range(0, len(wanted), AT_ONCE):
        left: Iterable[int] = wanted[start : start + AT_ONCE]
        before: dict[int, Document] = {}
        for _ in range(CHANGE_TRIES):
            documents = claiming.unambiguous(collection, left)
            failed |= set(left) - documents.keys()
            time = clock.now()
            steps: dict[int, tuple[Document, Document]] = {}
            for number, document in documents.items():
                if not step.allowed(document):
                    continue
                here = step.as_read(document)
                if here == before.get(number):  # unchanged, yet refused: it cannot be changed
                    failed.add(number)
                    continue
                room = changes.make_room(document)
                steps[number] = room or (here, step.update(document, time))
            if not steps:
                break
            claiming.write(collection, endpoint, steps)
            left, before = list(steps), {number: here for number, (here, _) in steps.items()}
        else:
            failed |= set(left)
    return failed
