"""The run documents: which runs are wanted, who works on them, and what became of them.

Every change of status is one compare-and-set: the document is read, and changed only if it is
still in the state that was read. Whoever comes second reads again and finds another state. The
claims of many runs travel together, and each is such a change by itself.
"""

import functools
import logging
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, FailureClass, TransientError
from xamsflow.redax import rundoc
from xamsflow.rundb import changes, selection, status
from xamsflow.rundb.changes import Change, TagChange, count, section, tag_names
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.rundb.status import State, Status
from xamsflow.settings.config import Select, Watch
from xamsflow.state import layout
from xamsflow.state.claims import Claim
from xamsflow.state.owner import user

logger = logging.getLogger(__name__)

Document = dict[str, Any]

CLAIMS_AT_ONCE = 1000
"""How many runs are claimed by one request, which is answered in a fraction of a second."""

CHANGE_TRIES = 50
"""How often a change starts anew because somebody else changed the run just before."""

IDENTITY = ("type", "host", "location", "lineage_hash")
"""The fields of a `data` entry that tell it from others."""

CLAIMED = {
    "processing_status": {"$in": [Status.SUBMITTED.value, Status.RUNNING.value]},
    "processing.owner": {"$type": "string"},
}
"""The filter for runs that a driver of this project works on."""

NUMBER_TYPES = ["int", "long", "double"]
"""JavaScript, as in MongoDB's shell, writes whole numbers as double; equal they are to MongoDB."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class PendingRun:
    """A run that waits; `attempt` counts the earlier attempts at it.

    `retry_at` is None for one that was asked for, and otherwise since when it waits to be tried
    again after a failure. `forced`: it is wanted only for a tag, which stays until the run is
    claimed. `reprocess`: what was made before does not count. `is_taken`: it has no end yet.
    """

    number: int
    mode: str
    attempt: int
    retry_at: datetime | None = None
    forced: bool = False
    reprocess: bool = False
    is_taken: bool = False


@dataclass(frozen=True)
class ClaimedRun:
    """A run that a driver of this project has claimed and not ended.

    `heartbeat_age_s` is the time in seconds since its owner was last heard of, by the server's
    clock, None where it never was; `heartbeat` is that moment. `is_taken`: it has no end yet.
    """

    number: int
    mode: str
    tags: tuple[str, ...]
    status: Status
    owner: str
    attempt: int
    stage: str | None
    job_id: str | None
    heartbeat: datetime | None
    heartbeat_age_s: float | None
    reprocess: bool = False
    is_taken: bool = False


@dataclass(frozen=True)
class RunSummary:
    """A run in a table for people.

    `status` is None where there is none, or where `raw`, what stands there, is not understood.
    """

    number: int
    mode: str
    start: datetime | None
    end: datetime | None
    status: Status | None
    raw: Any
    stage: str | None
    attempt: int
    reason: str | None
    failure: str | None
    retry_at: datetime | None
    processing_failed: int
    owner: str | None


def _translated(
    method: Callable[Concatenate["RunDatabase", _P], _R],
) -> Callable[Concatenate["RunDatabase", _P], _R]:
    """Make a method raise the errors of this project instead of pymongo's."""

    @functools.wraps(method)
    def call(self: "RunDatabase", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.endpoint.errors():
            return method(self, *args, **kwargs)

    return call


_Run = TypeVar("_Run", PendingRun, ClaimedRun, RunSummary)


class RunDatabase:
    """The run documents of one collection.

    Any method raises TransientError where the server is away and ConfigurationError where it
    refuses us. Methods that name a run raise ConfigurationError where it has no document and
    BadDataError where it has several.

    Methods that change a status return False or None, and change nothing, where the run is in no
    state that the change leaves, or belongs to another owner.
    """

    def __init__(self, collection: Collection[Document], endpoint: Endpoint) -> None:
        self._collection = collection
        self.endpoint = endpoint

    @property
    def name(self) -> str:
        """Which collection this is, on which server, without credentials."""
        return f"{self._collection.full_name} on {self.endpoint.where}"

    @_translated
    def version(self) -> str:
        """Return the server's version."""
        return str(self._collection.database.client.server_info()["version"])

    @_translated
    def actions(self) -> frozenset[str] | None:
        """Return what our account may do with the run documents, in MongoDB's own words.

        None where the server asks nobody who they are, and so refuses nothing.
        """
        said = self._collection.database.command("connectionStatus", showPrivileges=True)
        about = said["authInfo"]
        if not about["authenticatedUsers"]:
            return None
        allowed: set[str] = set()
        for privilege in about["authenticatedUserPrivileges"]:
            resource = privilege["resource"]
            database, name = resource.get("db"), resource.get("collection")
            ours = database in ("", self._collection.database.name) and name in (
                "",
                self._collection.name,
            )
            if ours or resource.get("anyResource"):
                allowed.update(privilege["actions"])
        return frozenset(allowed)

    @_translated
    def estimated_count(self) -> int:
        """Return how many documents there are, by the server's own bookkeeping."""
        return self._collection.estimated_document_count()

    @_translated
    def now(self) -> datetime:
        """Return the time by the server's clock, in UTC."""
        time: datetime = self._collection.database.command("hello")["localTime"]
        return time.replace(tzinfo=UTC)  # answers of commands come without

    @_translated
    def get(self, number: int) -> Document:
        """Return a run's whole document, times in UTC."""
        return self._one(number)

    @_translated
    def pending(self, select: Select) -> list[PendingRun]:
        """Return the runs that `select` wants processed now, newest first.

        They have ended, and are pending, or have failed and are due again, or are forced by a tag.
        Documents without a usable run number are left out, with a warning in the log.
        """
        now = self.now()
        fields = (*selection.FIELDS, "processing.attempt", "processing.reprocess")
        documents = self._collection.find(selection.query(select, now), _fields(*fields))
        runs: dict[int, PendingRun] = {}
        unusable = []
        for document in documents:
            number = _number(document)
            if number is None or number in runs:
                unusable.append(repr(document.get("number")))
            elif selection.wanted({**document, "number": number}, select, now):
                runs[number] = _pending_run({**document, "number": number}, select)
        if unusable:
            logger.warning(
                "pending documents in %s are left out because their number is missing, wrong or "
                "there twice: %s",
                self._collection.full_name,
                ", ".join(unusable[:10]),
            )
        return _newest_first(runs.values())[: select.newest]

    @_translated
    def unasked(self, select: Select, watch: Watch) -> dict[int, bool]:
        """Return the runs that ``xamsflow watch`` is to set pending, and whether each has ended.

        By number, ascending.
        """
        now = self.now()
        documents = self._collection.find(
            selection.query_to_ask(select), _fields(*selection.FIELDS)
        )
        asked = {
            document["number"]: not selection.is_being_taken(document)
            for document in _numbered(documents)
            if selection.to_be_asked(document, select, watch, now)
        }
        return dict(sorted(asked.items()))

    def switch(self, collection: str) -> str | None:
        """Return how the switch for automatic processing stands, ``on`` or ``off``.

        `collection` is named with its database, as ``daq.processing``. None where there is none.
        """
        database, _, name = collection.partition(".")
        there = self._collection.database.client[database][name]
        try:
            with self.endpoint.errors():
                found = there.find_one({"name": "auto_processing"})
        except ConfigurationError as error:
            raise ConfigurationError(
                f"the switch {collection} cannot be read: {error.what}",
                f"give the account the role read on the database {database}, or set watch.switch "
                "to null",
            ) from error
        status = (found or {}).get("status")
        return status.strip().lower() if isinstance(status, str) else None

    @_translated
    def claimed(self, select: Select | None = None) -> list[ClaimedRun]:
        """Return the runs that drivers of this project work on, newest first.

        With `select`, only those that it wants; how many it wants does not count.
        """
        beat = "$processing.heartbeat"
        age_ms = {
            "$cond": [
                {"$eq": [{"$type": beat}, "date"]},
                {"$subtract": ["$$NOW", beat]},  # the server's clock, which set the heartbeat
                None,
            ]
        }
        fields = _fields(
            *(*selection.FIELDS, "processing.attempt", "processing.stage", "processing.job_id"),
            *("processing.heartbeat", "processing.reprocess"),
        )
        now = self.now()
        documents = self._collection.aggregate(
            [{"$match": CLAIMED}, {"$project": {**fields, "age_ms": age_ms}}]
        )
        return _newest_first(
            _claimed_run(document)
            for document in _numbered(documents)
            if status.state(document) in (State.SUBMITTED, State.RUNNING)
            and (select is None or selection.within_limits(document, select, now))
        )

    @_translated
    def runs(
        self, numbers: Iterable[int] | None = None, limit: int | None = None
    ) -> list[RunSummary]:
        """Return the runs with these numbers (None: all), the `limit` newest ones, newest first."""
        wanted: Document = {
            "number": {"$type": NUMBER_TYPES, "$gte": 0, "$lte": layout.HIGHEST_RUN}
        }
        if numbers is not None:
            wanted["number"]["$in"] = [operator.index(number) for number in numbers]
        found = self._collection.find(
            wanted,
            _fields(
                *("number", "mode", "start", "end", "processing_status", "processing_failed"),
                *("processing.stage", "processing.attempt", "processing.reason"),
                *("processing.failure", "processing.owner", "processing.retry_at"),
            ),
        )
        if limit is not None:
            if limit < 1:
                return []
            found = found.sort("number", DESCENDING).limit(limit)
        return _newest_first(_summary(document) for document in _numbered(found))

    @_translated
    def documents(
        self, fields: Iterable[str], numbers: Sequence[range] | None = None
    ) -> list[Document]:
        """Return these fields of every run in `numbers` (None: all), newest first, by one query.

        Each has besides `now`, the server's time at the query. Documents without a usable run
        number are left out.
        """
        usable = {"$type": NUMBER_TYPES, "$gte": 0, "$lte": layout.HIGHEST_RUN}
        wanted: Document = {"number": usable}
        if numbers is not None:
            if not numbers:
                return []
            wanted["$or"] = [{"number": {"$gte": part.start, "$lt": part.stop}} for part in numbers]
        found = self._collection.aggregate(
            [{"$match": wanted}, {"$project": {**_fields(*fields), "now": "$$NOW"}}]
        )
        return sorted(_numbered(found), key=operator.itemgetter("number"), reverse=True)

    @_translated
    def claim_pending(
        self,
        wanted: Mapping[PendingRun, Sequence[str]],
        owner: str,
        force_tags: Sequence[str] = (),
    ) -> list[Claim]:
        """Make `owner` answer for runs that :meth:`pending` has found; return those that he has.

        `wanted` names of each run the data types wanted last. Left out are runs that are not so any
        more, as somebody else was faster, and, with a warning in the log, those whose number has
        several documents. Asked again by the same owner, it gives the same claims: the first answer
        may have got lost. One of `force_tags` is removed from a run: it has done its work.
        """
        return self._claim_all(
            owner,
            {
                run.number: _pending_to_submitted(run, owner, targets, force_tags)
                for run, targets in wanted.items()
            },
        )

    @_translated
    def take_over(self, wanted: Mapping[ClaimedRun, Sequence[str]], owner: str) -> list[Claim]:
        """Make `owner` answer for runs whose driver died; return those that he has.

        Left out are runs with whose claim anything happened since it was read, a heartbeat
        included. For the rest as :meth:`claim_pending`.
        """
        return self._claim_all(
            owner,
            {run.number: _taken_over(run, owner, targets) for run, targets in wanted.items()},
        )

    @_translated
    def claim_any(self, number: int, owner: str, targets: Sequence[str]) -> Claim | None:
        """Make `owner` answer for a run that a person asked for, whatever its status.

        None if a driver of this project works on it.
        """
        change = changes.claim(status.CLAIM_ANY, owner, targets, asked=True)
        # Where nothing was changed, it may be his all the same: an earlier answer got lost.
        document = self._changed(number, change) or self._one(number, changes.FIELDS)
        return _claim_of(number, document, owner)

    @_translated
    def heartbeat(self, owner: str) -> int:
        """Note, by the server's clock, that `owner` lives; return how many runs it works on."""
        result = self._collection.update_many(
            {**CLAIMED, "processing.owner": owner},
            {"$currentDate": {"processing.heartbeat": True}},
        )
        return result.matched_count

    @_translated
    def started(
        self,
        claim: Claim,
        stage: str,
        *,
        host: str | None = None,
        job_id: str | None = None,
        log: str | None = None,
    ) -> bool:
        """Say that a job for a stage of a claimed run has started, perhaps after a failure."""
        return self._change(
            claim.number,
            Change(
                status.STARTED,
                by=claim.owner,
                owner=claim.owner,
                sets={"stage": stage, "host": host, "job_id": job_id, "log": log},
                clears=("reason", "failure"),
            ),
        )

    @_translated
    def progress(self, claim: Claim, stage: str, about: Mapping[str, Any]) -> bool:
        """Say how far the job for a stage of a claimed run is, and so that it lives.

        `about` is kept in ``processing.progress`` with the server's time; any change of status
        removes it. False where the run is not at that stage any more.
        """
        result = self._collection.update_one(
            {
                "number": claim.number,
                "processing_status": Status.RUNNING.value,
                "processing.owner": claim.owner,
                "processing.stage": stage,
            },
            {
                "$set": {f"processing.progress.{name}": value for name, value in about.items()}
                | {"processing.progress.stage": stage},
                "$currentDate": {"processing.progress.time": True},
            },
        )
        return result.matched_count == 1

    @_translated
    def failed(
        self,
        claim: Claim,
        stage: str,
        *,
        reason: str,
        failure: FailureClass,
        log: str | None = None,
        host: str | None = None,
        pause_s: Callable[[int], float | None] = lambda _tries: None,
    ) -> bool:
        """Say that a claimed run has failed; counted once, however many notice it.

        `pause_s` returns after how many seconds it is tried again, None for never, given how often
        it has failed with this class since a person asked for it.
        """
        now = self.now()

        def retry_at(tries: int) -> datetime | None:
            pause = pause_s(tries)
            return None if pause is None else now + timedelta(seconds=pause)

        return self._change(
            claim.number,
            Change(
                status.FAILED,
                by=claim.owner,
                owner=claim.owner,
                sets=_failure(stage, reason, failure, log, host),
                retry_at=retry_at,
            ),
        )

    @_translated
    def done(
        self,
        claim: Claim,
        *,
        versions: Mapping[str, str] | None = None,
        quality: Mapping[str, Any] | None = None,
    ) -> bool:
        """Say that a claimed run is done; also True if its owner has said so before.

        `quality` is the verdict on the run's data and the findings behind it.
        """
        sets = {"versions": versions, "quality": quality}
        changed = self._change(
            claim.number,
            Change(
                status.DONE,
                by=claim.owner,
                owner=claim.owner,
                sets={name: dict(value) for name, value in sets.items() if value is not None},
                clears=("reason", "failure", "forced", "reprocess"),
            ),
        )
        if changed:
            return True
        document = self._one(claim.number, changes.FIELDS)
        ours = section(document).get("owner") == claim.owner
        return ours and status.state(document) is State.DONE

    @_translated
    def release(self, claim: Claim, reason: str, *, was_done: bool = False) -> bool:
        """Give a claimed run back: pending for whoever comes next, or done as it was before."""
        return self._change(
            claim.number,
            Change(
                status.RELEASE_DONE if was_done else status.RELEASE,
                by=claim.owner,
                owner=claim.owner,
                clears=("owner", "heartbeat", "reason", "failure"),
                told={"reason": _encodable(reason)},
            ),
        )

    @_translated
    def fail_unclaimed(
        self,
        number: int,
        stage: str,
        *,
        reason: str,
        failure: FailureClass,
        log: str | None = None,
        host: str | None = None,
        by: str | None = None,
    ) -> bool:
        """Say that a run has failed that was processed without a claim.

        The same failure, known by its stage and log, is counted once. `by` None is the user.
        """
        sets = _failure(stage, reason, failure, log, host)
        told_before = {
            "processing_status": Status.FAILED.value,
            "processing.stage": stage,
            "processing.log": sets.get("log"),
        }
        return self._change(
            number,
            Change(
                status.FAIL_UNCLAIMED,
                by=by or user(),
                sets=sets,
                clears=("owner", "heartbeat"),
                only_if={"$nor": [told_before]} if log is not None else {},
            ),
        )

    @_translated
    def set_pending(
        self,
        number: int,
        by: str,
        *,
        action: str | None = None,
        reason: str | None = None,
        leaves: Iterable[State] = frozenset(State),
        reprocess: bool = False,
    ) -> bool:
        """Ask for a run to be processed, again if need be, in the name of `by`.

        Only a run in one of the states `leaves` is changed. With `reprocess`, what was made of it
        before does not count as made. `action` and `reason` are for the history.
        """
        transition = status.REPROCESS if reprocess else status.SET_PENDING
        told = {"action": action, "reason": None if reason is None else _encodable(reason)}
        return self._change(
            number,
            Change(
                replace(transition, leaves=transition.leaves & frozenset(leaves)),
                by=by,
                sets={"reprocess": True} if reprocess else {},
                clears=("owner", "heartbeat", "reason", "failure", "forced", "reprocess"),
                told=told,
                asked=True,
            ),
        )

    @_translated
    def tag(self, number: int, name: str, by: str, action: str, reason: str | None) -> bool:
        """Add a tag to a run in the name of `by`; False if it has it already.

        Raises BadDataError where `tags` of the run document is no list.
        """
        self._check_tags(number)
        return self._change(
            number, TagChange(action, by, None if reason is None else _encodable(reason), adds=name)
        )

    @_translated
    def untag(
        self, number: int, names: Iterable[str], by: str, action: str, reason: str | None
    ) -> bool:
        """Remove tags from a run in the name of `by`; False if it has none of them.

        Raises BadDataError where `tags` of the run document is no list.
        """
        self._check_tags(number)
        why = None if reason is None else _encodable(reason)
        return self._change(number, TagChange(action, by, why, removes=tuple(names)))

    def _check_tags(self, number: int) -> None:
        found = self._one(number, {"tags": 1}).get("tags")
        if not isinstance(found, list | None):
            raise BadDataError(
                f"run {number:06d}: tags of the run document is {found!r:.80}, expected is a list"
            )

    @_translated
    def insert(self, document: Mapping[str, Any]) -> None:
        """Add the document of a new run, as the DAQ does.

        Raises ConfigurationError where it has no run number or one that is there already. Not safe
        against another process that adds the same run at the same moment.
        """
        number = _number(document)
        if number is None:
            raise ConfigurationError(f"{document.get('number')!r} is no run number")
        if self._collection.find_one({"number": number}, {"number": 1}) is not None:
            raise ConfigurationError(f"run {number:06d} is in {self._collection.full_name} already")
        self._collection.insert_one(dict(document))

    @_translated
    def set_end(self, document: Mapping[str, Any]) -> None:
        """Give a run that was being taken its end, and what it adds, as the DAQ does."""
        ended = {"end": document["end"], "rate": document["rate"]}
        self._collection.update_one({"number": document["number"], "end": None}, {"$set": ended})

    @_translated
    def add_data(self, number: int, entry: Mapping[str, Any]) -> bool:
        """Add an entry to a run's `data`; False if it was there.

        Two entries are the same if type, host, location and lineage hash are. Raises BadDataError
        where `data` of the run document is no list.
        """
        document = self._one(number, {"data": 1})
        here: Document = {"_id": document["_id"]}
        if document.get("data") is None:
            # Nothing can be appended to null.
            self._collection.update_one({**here, "data": None}, {"$set": {"data": []}})
        elif not isinstance(document["data"], list):
            raise BadDataError(
                f"run {number:06d}: data of the run document is {document['data']!r:.80}, "
                "expected is a list"
            )
        same = {name: {"$eq": entry.get(name)} for name in IDENTITY}
        result = self._collection.update_one(
            {**here, "data": {"$not": {"$elemMatch": same}}}, {"$push": {"data": dict(entry)}}
        )
        return result.matched_count == 1

    @_translated
    def remove_data(self, number: int, entry: Mapping[str, Any], reason: str, by: str) -> bool:
        """Move an entry from a run's `data` to ``processing.gone``, with the reason; False if gone.

        So nothing that anybody wrote is lost.
        """
        document = self._one(number, changes.FIELDS)
        if room := changes.room(document):
            self._collection.update_one(*room)
        same = {name: {"$eq": entry.get(name)} for name in IDENTITY}
        gone = {"entry": dict(entry), "reason": reason, "by": by, "time": clock.now()}
        result = self._collection.update_one(
            {"_id": document["_id"], "data": {"$elemMatch": same}},
            {"$pull": {"data": same}, "$push": {"processing.gone": gone}},
        )
        return result.matched_count == 1

    def _one(self, number: int, fields: Mapping[str, int] | None = None) -> Document:
        # A number as text would match nothing, and MongoDB would not mind.
        index = operator.index(number)
        found = list(self._collection.find({"number": index}, fields).limit(2))
        if not found:
            raise ConfigurationError(
                f"run {index:06d} is not in {self.name}",
                f"check the number ({self._nearest(index)}), and rundb.collection in the "
                "configuration",
            )
        if len(found) > 1:
            raise self._ambiguous(index)
        return found[0]

    def _nearest(self, number: int) -> str:
        """Name the runs before and after a number that is not there."""
        usable = {"$type": NUMBER_TYPES, "$gte": 0, "$lte": layout.HIGHEST_RUN}
        ways = (({"$lt": number}, DESCENDING), ({"$gt": number}, ASCENDING))
        found = [
            f"{near:06d}"
            for side, order in ways
            for document in self._collection.find(
                {"$and": [{"number": usable}, {"number": side}]}, {"number": 1}
            )
            .sort("number", order)
            .limit(1)
            if (near := _number(document)) is not None
        ]
        if not found:
            return "no run at all is there"
        return f"the nearest there {'is' if len(found) == 1 else 'are'} {' and '.join(found)}"

    def _claim_all(self, owner: str, wanted: Mapping[int, Change]) -> list[Claim]:
        """Make a claim of `owner` on each run; return those that he has."""
        numbers = [operator.index(number) for number in wanted]
        return [
            claim
            for start in range(0, len(numbers), CLAIMS_AT_ONCE)
            for claim in self._claim_several(
                owner,
                {number: wanted[number] for number in numbers[start : start + CLAIMS_AT_ONCE]},
            )
        ]

    def _claim_several(self, owner: str, wanted: Mapping[int, Change]) -> Iterator[Claim]:
        """Yield the claims that `owner` has, which are read back after they were written."""
        before: dict[int, Document] = {}
        for _ in range(CHANGE_TRIES):
            steps: dict[int, tuple[Document, Document]] = {}
            documents = self._unambiguous(wanted)
            time = clock.now()
            for number, document in documents.items():
                change = wanted[number]
                here = change.as_read(document)
                if claim := _claim_of(number, document, owner):
                    yield claim
                # Refused, though nothing has changed: it was the change's own condition.
                elif change.allowed(document) and here != before.get(number):
                    room = changes.room(document)
                    steps[number] = room or (here, change.update(document, time))
            if not steps:
                return
            self._write(steps)
            wanted = {number: wanted[number] for number in steps}
            before = {number: here for number, (here, _) in steps.items()}
        for number in wanted:
            logger.warning("not processed: others keep changing the status of run %06d", number)

    def _write(self, steps: Mapping[int, tuple[Document, Document]]) -> None:
        """Change each run's document by a filter and an update, each where the filter holds.

        A document that cannot be changed stays, with a warning in the log.
        """
        operations = [UpdateOne(*step) for step in steps.values()]
        try:
            self._collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            numbers = list(steps)
            for place, refusal in self.endpoint.refusals(error):
                if place is None or not isinstance(refusal, BadDataError):
                    raise refusal from None
                logger.warning("not processed: run %06d: %s", numbers[place], refusal)

    def _unambiguous(self, numbers: Iterable[int]) -> dict[int, Document]:
        """Return the document of each run that has one; for several there is a warning."""
        found: dict[int, list[Document]] = {number: [] for number in numbers}
        fields = {**changes.FIELDS, "number": 1}
        for document in self._collection.find({"number": {"$in": list(found)}}, fields):
            held = document["number"]
            # To MongoDB a list is equal to what it holds.
            for number in held if isinstance(held, list) else [held]:
                if (whole := rundoc.whole(number)) in found:
                    found[whole].append(document)
        for number, documents in found.items():
            if len(documents) > 1:
                logger.warning("not processed: %s", self._ambiguous(number))
        return {number: documents[0] for number, documents in found.items() if len(documents) == 1}

    def _ambiguous(self, number: int) -> BadDataError:
        return BadDataError(
            f"run {number:06d} has several documents in {self._collection.full_name}",
            "a person must rename the number of all but one",
        )

    def _change(self, number: int, change: Change | TagChange) -> bool:
        return self._changed(number, change) is not None

    def _changed(self, number: int, change: Change | TagChange) -> Document | None:
        """Make a change; return the document as it is then, None where it is not allowed."""
        before: Document | None = None
        for _ in range(CHANGE_TRIES):
            document = self._one(number, changes.FIELDS)
            here = change.as_read(document)
            # Refused, though nothing has changed: it was the change's own condition.
            if not change.allowed(document) or here == before:
                return None
            if room := changes.room(document):
                self._collection.update_one(*room)
                continue
            update = change.update(document, clock.now())
            changed = self._collection.find_one_and_update(
                here, update, dict(changes.FIELDS), return_document=ReturnDocument.AFTER
            )
            if changed is not None:
                return changed
            before = here
        raise TransientError(f"others keep changing the status of run {number:06d}", "try again")


def _pending_to_submitted(
    run: PendingRun, owner: str, targets: Sequence[str], force_tags: Sequence[str]
) -> Change:
    transition, only_if = status.CLAIM, Document()
    if run.forced:
        transition, only_if = status.CLAIM_ANY, {"tags.name": {"$in": list(force_tags)}}
    elif run.retry_at is not None:
        transition, only_if = status.CLAIM_AGAIN, {"processing.retry_at": run.retry_at}
    return changes.claim(
        transition, owner, targets, only_if=only_if, asked=run.forced, force_tags=force_tags
    )


def _taken_over(run: ClaimedRun, owner: str, targets: Sequence[str]) -> Change:
    as_it_was = {
        "processing_status": run.status.value,
        "processing.owner": run.owner,
        "processing.heartbeat": run.heartbeat,
    }
    return changes.claim(status.TAKE_OVER, owner, targets, only_if=as_it_was)


def _claim_of(number: int, document: Mapping[str, Any], owner: str) -> Claim | None:
    """Return the claim that `owner` has on the run of a document, None if he has none."""
    processing = section(document)
    if status.state(document) is not State.SUBMITTED or processing.get("owner") != owner:
        return None
    tries = changes.tries_by_class(document)
    return Claim(
        number,
        owner,
        count(processing.get("attempt")),
        shortages=tries.get(FailureClass.RESOURCES, 0),
    )


def _fields(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def _newest_first(runs: Iterable[_Run]) -> list[_Run]:
    return sorted(runs, key=lambda run: run.number, reverse=True)


def _number(document: Mapping[str, Any]) -> int | None:
    number = rundoc.whole(document.get("number"))
    return number if number is not None and layout.is_run_number(number) else None


def _numbered(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents with a usable run number, which is an int then."""
    for document in documents:
        number = _number(document)
        if number is not None:
            document["number"] = number
            yield document


def _mode(document: Mapping[str, Any]) -> str:
    return _text(document.get("mode")) or ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _pending_run(document: Document, select: Select) -> PendingRun:
    processing, found = section(document), status.state(document)
    forced = found is not State.PENDING and selection.forced_by_tag(document, select)
    return PendingRun(
        number=document["number"],
        mode=_mode(document),
        attempt=count(processing.get("attempt")),
        retry_at=processing["retry_at"] if found is State.FAILED and not forced else None,
        forced=forced,
        reprocess=processing.get("reprocess") is True,
        is_taken=selection.is_being_taken(document),
    )


def _claimed_run(document: Document) -> ClaimedRun:
    processing, age_ms = section(document), document["age_ms"]
    return ClaimedRun(
        number=document["number"],
        mode=_mode(document),
        tags=tag_names(document),
        status=Status(document["processing_status"]),
        owner=processing["owner"],
        attempt=count(processing.get("attempt")),
        stage=_text(processing.get("stage")),
        job_id=_text(processing.get("job_id")),
        heartbeat=_time(processing.get("heartbeat")),
        heartbeat_age_s=None if age_ms is None else age_ms / 1000,
        reprocess=processing.get("reprocess") is True,
        is_taken=selection.is_being_taken(document),
    )


def _summary(document: Document) -> RunSummary:
    view = status.understand(document.get("processing_status"))
    processing = section(document)
    return RunSummary(
        number=document["number"],
        mode=_mode(document),
        start=_time(document.get("start")),
        end=_time(document.get("end")),
        status=view.status,
        raw=view.raw,
        stage=_text(processing.get("stage")),
        attempt=count(processing.get("attempt")),
        reason=_text(processing.get("reason")) or view.reason,
        failure=_text(processing.get("failure")),
        retry_at=_time(processing.get("retry_at")),
        processing_failed=count(document.get("processing_failed")),
        owner=_text(processing.get("owner")),
    )


def _failure(
    stage: str, reason: str, failure: FailureClass, log: str | None, host: str | None
) -> Document:
    """Return what `processing` is told of a failure; log and host stay where none is given."""
    about = {"stage": stage, "reason": _encodable(reason), "failure": FailureClass(failure).value}
    given = {"log": log, "host": host}
    return about | {name: value for name, value in given.items() if value is not None}


def _encodable(text: str) -> str:
    """Return text that UTF-8 can hold: file names in messages may have bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
