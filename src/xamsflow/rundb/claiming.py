"""Claim many runs with few requests, each run by its own atomic change."""

import logging
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, FailureClass, XamsflowError
from xamsflow.redax import rundoc
from xamsflow.rundb import changes, run_document, status
from xamsflow.rundb.changes import CHANGE_TRIES, Change
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.rundb.run_document import Document
from xamsflow.rundb.runs import ClaimedRun, PendingRun
from xamsflow.rundb.status import State
from xamsflow.state.claims import Claim

logger = logging.getLogger(__name__)

CLAIMS_AT_ONCE = 1000
"""How many runs one request claims; the answer takes a fraction of a second."""


class Claiming:
    """The claims that one owner makes in a collection.

    A run is left out, with a warning in the log, if its number has several documents, if its
    document cannot be changed, or if others keep changing it.
    """

    def __init__(self, collection: Collection[Document], endpoint: Endpoint, owner: str) -> None:
        self._collection = collection
        self._endpoint = endpoint
        self._owner = owner

    def claim(self, wanted: Mapping[int, Change]) -> list[Claim]:
        """Apply each run's change; return the claims that the owner has afterwards.

        They are read back after they are written.
        """
        numbers = [operator.index(number) for number in wanted]
        return [
            claim
            for start in range(0, len(numbers), CLAIMS_AT_ONCE)
            for claim in self._claim_several(
                {number: wanted[number] for number in numbers[start : start + CLAIMS_AT_ONCE]}
            )
        ]

    def _claim_several(self, wanted: Mapping[int, Change]) -> Iterator[Claim]:
        before: dict[int, Document] = {}
        written = 0
        for _ in range(CHANGE_TRIES):
            steps: dict[int, tuple[Document, Document]] = {}
            claimed: set[int] = set()
            documents = unambiguous(self._collection, wanted)
            time = clock.now()
            for number, document in documents.items():
                change = wanted[number]
                here = change.as_read(document)
                if claim := claim_of(number, document, self._owner):
                    claimed.add(number)
                    yield claim
                # Unchanged, yet refused: the change's own condition did not hold.
                elif change.allowed(document) and here != before.get(number):
                    room = changes.make_room(document)
                    steps[number] = room or (here, change.update(document, time))
            if written > len(claimed):
                self._warn_of_lost_claims(before.keys() - claimed - steps.keys(), documents)
            if not steps:
                return
            written = write(self._collection, self._endpoint, steps)
            wanted = {number: wanted[number] for number in steps}
            before = {number: here for number, (here, _) in steps.items()}
        for number in wanted:
            logger.warning("not processed: others keep changing the status of run %06d", number)

    def _warn_of_lost_claims(
        self, numbers: Iterable[int], documents: Mapping[int, Document]
    ) -> None:
        """Log the runs that are not claimed although their claims were written.

        Runs that belong to another driver are left out: that driver was faster.
        """
        for number in sorted(numbers):
            document = documents.get(number, {})
            if status.state(document) not in (State.SUBMITTED, State.RUNNING):
                logger.warning(
                    "not processed: run %06d: the run database does not show the claim that was "
                    "just written (processing_status is %.60r); does another program change it?",
                    number,
                    run_document.status(document),
                )


def write(
    collection: Collection[Document],
    endpoint: Endpoint,
    steps: Mapping[int, tuple[Document, Document]],
) -> int:
    """Change each run's document where its filter holds; return how many were changed.

    A document that cannot be changed is named in the log.
    """
    operations = [UpdateOne(*step) for step in steps.values()]
    try:
        return collection.bulk_write(operations, ordered=False).matched_count
    except BulkWriteError as error:
        numbers = list(steps)
        for place, refusal in endpoint.refusals(error):
            # Any other kind of error concerns only this document.
            if place is None or type(refusal) not in (BadDataError, XamsflowError):
                raise refusal from None
            logger.warning("not processed: run %06d: %s", numbers[place], refusal)
        matched: int = error.details["nMatched"]
        return matched


def unambiguous(collection: Collection[Document], numbers: Iterable[int]) -> dict[int, Document]:
    """Return the document of each run that has exactly one; the log names the others."""
    found: dict[int, list[Document]] = {number: [] for number in numbers}
    fields = {**changes.FIELDS, "number": 1}
    for document in collection.find({"number": {"$in": list(found)}}, fields):
        held = document["number"]
        # To MongoDB a list equals each of its elements.
        for number in held if isinstance(held, list) else [held]:
            if (whole := rundoc.whole(number)) in found:
                found[whole].append(document)
    for number, documents in found.items():
        if len(documents) > 1:
            logger.warning("not processed: %s", ambiguous(number, collection))
    return {number: documents[0] for number, documents in found.items() if len(documents) == 1}


def of_pending(
    run: PendingRun, owner: str, targets: Sequence[str], force_tags: Sequence[str]
) -> Change:
    """Return the change by which `owner` claims a run that waits."""
    transition, only_if = status.CLAIM, Document()
    if run.forced:
        transition, only_if = status.CLAIM_ANY, {"tags.name": {"$in": list(force_tags)}}
    elif run.retry_at is not None:
        transition, only_if = status.CLAIM_AGAIN, {"processing.retry_at": run.retry_at}
    return changes.claim(
        transition, owner, targets, only_if=only_if, asked=run.forced, force_tags=force_tags
    )


def of_stranded(run: ClaimedRun, owner: str, targets: Sequence[str]) -> Change:
    """Return the change by which `owner` takes over a run whose driver died."""
    as_it_was = {
        "processing_status": run.status.value,
        "processing.owner": run.owner,
        "processing.heartbeat": {"$eq": run.heartbeat},
    }
    return changes.claim(status.TAKE_OVER, owner, targets, only_if=as_it_was)


def claim_of(number: int, document: Mapping[str, Any], owner: str) -> Claim | None:
    """Return the claim that `owner` has on the run of a document, None without one."""
    if status.state(document) is not State.SUBMITTED or run_document.owner(document) != owner:
        return None
    shortages = changes.tries_by_class(document).get(FailureClass.RESOURCES, 0)
    return Claim(number, owner, run_document.attempt(document), shortages=shortages)


def ambiguous(number: int, collection: Collection[Document]) -> BadDataError:
    """Return the error for a run number with several documents."""
    return BadDataError(
        f"run {number:06d} has several documents in {collection.full_name}",
        "change the number in all but one of them",
    )
