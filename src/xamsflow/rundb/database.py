"""The run documents: which runs to process, who works on them, and how they ended.

Every change of status is a compare-and-set: the document is read, and changed only if it is still
in the state that was read. Whoever comes second reads again and finds another state. Claims of many
runs are sent together, but each is a separate change of this kind.
"""

import functools
import logging
import operator
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from pymongo import ASCENDING, DESCENDING, CursorType, ReturnDocument, UpdateOne
from pymongo.collection import Collection

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, FailureClass, TransientError
from xamsflow.rundb import (
    campaign_changes,
    changes,
    claiming,
    run_document,
    run_rows,
    selection,
    status,
)
from xamsflow.rundb.campaign_changes import CampaignChange
from xamsflow.rundb.changes import CHANGE_TRIES, Change, HealthChange, TagChange
from xamsflow.rundb.claiming import Claiming
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.rundb.run_document import Document
from xamsflow.rundb.runs import ClaimedRun, PendingRun, RunSummary, turn
from xamsflow.rundb.status import State, Status
from xamsflow.settings.config import Select, Watch
from xamsflow.state import layout
from xamsflow.state.claims import Claim

logger = logging.getLogger(__name__)

IDENTITY = ("type", "host", "location", "lineage_hash")
"""The fields that identify a `data` entry."""

BATCH = 1000
"""Documents per answer of the server if all are read; by default, an answer has 16 MB."""

CLAIMED = {
    "processing_status": {"$in": [Status.SUBMITTED.value, Status.RUNNING.value]},
    "processing.owner": {"$type": "string"},
}
"""The filter for runs that a driver of this project works on."""

USABLE_NUMBER = {"$type": ["int", "long", "double"], "$gte": 0, "$lte": layout.HIGHEST_RUN}
"""The filter for run numbers; MongoDB's shell writes whole numbers as double."""

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Run = TypeVar("_Run", PendingRun, ClaimedRun)


def _translated(
    method: Callable[Concatenate["RunDatabase", _P], _R],
) -> Callable[Concatenate["RunDatabase", _P], _R]:
    """Make a method raise this project's errors instead of pymongo's."""

    @functools.wraps(method)
    def call(self: "RunDatabase", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.endpoint.errors():
            return method(self, *args, **kwargs)

    return call


class RunDatabase:
    """The run documents of one collection.

    Any method raises TransientError if the server is unreachable, and ConfigurationError if it
    refuses us. Methods that name a run raise ConfigurationError if it has no document and
    BadDataError if it has several.

    Methods that change a status return False or None, and change nothing, if the change does not
    apply to the run's state or the run belongs to another owner.
    """

    def __init__(self, collection: Collection[Document], endpoint: Endpoint) -> None:
        self._collection = collection
        self.endpoint = endpoint

    @property
    def name(self) -> str:
        """The collection and its server, without credentials."""
        return f"{self._collection.full_name} on {self.endpoint.where}"

    @_translated
    def version(self) -> str:
        """Return the server's version."""
        return str(self._collection.database.client.server_info()["version"])

    @_translated
    def actions(self) -> frozenset[str] | None:
        """Return what our account may do with the run documents, in MongoDB's terms.

        None if the server has no access control, and so refuses nothing.
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
        """Return the number of documents, according to the server's metadata."""
        return self._collection.estimated_document_count()

    @_translated
    def unusable(self, at_most: int) -> list[str]:
        """Return the numbers of documents that are missing or impossible, as text."""
        query = {"number": {"$not": USABLE_NUMBER}}
        found = self._collection.find(query, {"number": 1}).limit(at_most)
        return [repr(document.get("number")) for document in found]

    @_translated
    def now(self) -> datetime:
        """Return the time by the server's clock, in UTC."""
        time: datetime = self._collection.database.command("hello")["localTime"]
        return time.replace(tzinfo=UTC)  # answers to commands have no time zone

    @_translated
    def get(self, number: int) -> Document:
        """Return a run's whole document, times in UTC."""
        return self._one(number)

    @_translated
    def pending(self, select: Select) -> list[PendingRun]:
        """Return the runs that `select` wants processed now, newest first, campaigns last.

        They have ended, and are pending, due for a retry, or forced by a tag. Documents without a
        usable run number are left out, with a warning in the log.
        """
        now = self.now()
        documents = self._collection.find(selection.query(select, now), _fields(*PendingRun.FIELDS))
        runs: dict[int, PendingRun] = {}
        unusable = []
        for document in documents:
            number = run_document.number(document)
            if number is None or number in runs:
                unusable.append(repr(document.get("number")))
            elif selection.wanted({**document, "number": number}, select, now):
                runs[number] = PendingRun.of({**document, "number": number}, select)
        if unusable:
            logger.warning(
                "pending documents in %s are left out because their number is missing, wrong or "
                "a duplicate: %s",
                self._collection.full_name,
                ", ".join(unusable[:10]),
            )
        return sorted(runs.values(), key=turn)[: select.newest]

    @_translated
    def unasked(self, select: Select, watch: Watch) -> dict[int, bool]:
        """Return the runs that ``xamsflow watch`` should mark as pending; True if one has ended.

        By number, ascending.
        """
        now = self.now()
        documents = self._collection.find(
            selection.query_to_ask(select), _fields(*selection.FIELDS)
        )
        asked = {
            document["number"]: not run_document.is_being_taken(document)
            for document in _numbered(documents)
            if selection.to_be_asked(document, select, watch, now)
        }
        return dict(sorted(asked.items()))

    def switch(self, collection: str) -> str | None:
        """Return the position of the switch for automatic processing, ``on`` or ``off``.

        `collection` includes its database, like ``daq.processing``. None without a switch.
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

        With `select`, only those within its limits; its maximum number of runs does not count.
        """
        documents = self._collection.aggregate(
            [
                {"$match": CLAIMED},
                # The server's clock set the heartbeat, too.
                {"$project": {**_fields(*ClaimedRun.FIELDS), "now": "$$NOW"}},
            ]
        )
        return _newest_first(
            run
            for document in _numbered(documents)
            if (run := ClaimedRun.of(document)) is not None
            and (select is None or selection.within_limits(document, select, document["now"]))
        )

    def runs(self, numbers: Sequence[range] | None = None) -> list[RunSummary]:
        """Return every run in `numbers` (None: all), newest first, with one query."""
        return list(self.each_run(numbers))

    def each_run(self, numbers: Sequence[range] | None = None) -> Iterator[RunSummary]:
        """Yield what :meth:`runs` returns, so that few runs are in memory at a time."""
        return map(RunSummary.of, self.documents(RunSummary.FIELDS, numbers))

    @_translated
    def columns(self, numbers: Sequence[range] | None = None) -> run_rows.Columns:
        """Return facts on every run in `numbers` (None: all), in any order, with one query.

        The fields are those of :mod:`xamsflow.rundb.run_rows`. Documents without a usable run
        number are left out.
        """
        if numbers is not None and not numbers:
            return run_rows.columns([])
        # The server sends all batches without further requests, and works while we decode.
        routed = self._collection.database.client.is_mongos  # which cannot do this
        found = self._collection.find(
            _in_ranges(numbers),
            run_rows.PROJECTION,
            cursor_type=CursorType.NON_TAILABLE if routed else CursorType.EXHAUST,
            batch_size=run_rows.AT_ONCE,
        )
        answers = iter(lambda: found.to_list(run_rows.AT_ONCE), [])
        return run_rows.joined([document["row"] for document in answer] for answer in answers)

    def documents(
        self, fields: Iterable[str] | None, numbers: Sequence[range] | None = None
    ) -> Iterator[Document]:
        """Yield these fields of every run in `numbers` (None: all), newest first, with one query.

        With `fields` None, the documents are whole. Each also has `now`, the server's time of the
        query. Documents without a usable run number are left out. The server sorts them, so this
        process never holds all.
        """
        if numbers is not None and not numbers:
            return
        steps: list[Document] = [
            {"$match": _in_ranges(numbers)},
            *([] if fields is None else [{"$project": _fields(*fields)}]),
            {"$addFields": {"now": "$$NOW"}},
            {"$sort": {"number": DESCENDING}},
        ]
        with self.endpoint.errors():
            yield from _numbered(
                self._collection.aggregate(steps, batchSize=BATCH, allowDiskUse=True)
            )

    @_translated
    def checksum(self, fields: Iterable[str]) -> int:
        """Return a checksum of these fields of all run documents, which are not decoded.

        Another one means that something has changed, even if it is only the order of fields.
        """
        found = 0
        batches = self._collection.find_raw_batches({}, _fields(*fields), batch_size=BATCH)
        for batch in cast("Iterable[bytes]", batches):  # pymongo calls them documents
            found = zlib.crc32(batch, found)
        return found

    @_translated
    def claim_pending(
        self,
        wanted: Mapping[PendingRun, Sequence[str]],
        owner: str,
        force_tags: Sequence[str] = (),
    ) -> list[Claim]:
        """Claim runs that :meth:`pending` has found for `owner`; return the resulting claims.

        `wanted` holds the targets of each run. Runs that are no longer pending, because somebody
        else was faster, are left out, as are, with a warning in the log, those whose number has
        several documents. If the same owner calls it again, it returns the same claims: the first
        answer may have been lost. Tags in `force_tags` are removed, having served their purpose.
        """
        return self._claiming(owner).claim(
            {
                run.number: claiming.of_pending(run, owner, targets, force_tags)
                for run, targets in wanted.items()
            }
        )

    @_translated
    def take_over(self, wanted: Mapping[ClaimedRun, Sequence[str]], owner: str) -> list[Claim]:
        """Claim runs whose driver died for `owner`; return the resulting claims.

        Runs whose claim has changed since it was read, even by a heartbeat, are left out. Otherwise
        like :meth:`claim_pending`.
        """
        return self._claiming(owner).claim(
            {
                run.number: claiming.of_stranded(run, owner, targets)
                for run, targets in wanted.items()
            }
        )

    @_translated
    def claim_any(self, number: int, owner: str, targets: Sequence[str]) -> Claim | None:
        """Claim a run that a person requested for `owner`, whatever its status.

        Returns None if another driver of this project works on it.
        """
        change = changes.claim(status.CLAIM_ANY, owner, targets, asked=True)
        # Even if nothing was changed, the owner may have it: an earlier answer was lost.
        document = self._changed(number, change) or self._one(number, changes.FIELDS)
        return claiming.claim_of(number, document, owner)

    @_translated
    def heartbeat(self, owner: str) -> int:
        """Record a heartbeat of `owner` by the server's clock; return how many runs it works on."""
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
        """Record that a job for a stage of a claimed run has started, perhaps after a failure."""
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
        """Record the progress of the job for a stage of a claimed run, also as a sign of life.

        `about` is kept in ``processing.progress`` with the server's time; any change of status
        removes it. Returns False if the run is no longer at that stage.
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
        """Record that a claimed run has failed; counted once, however many processes notice it.

        `pause_s` returns the seconds until the retry, or None for never, given how often it
        has failed with this class since a person requested it.
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
        """Record that a claimed run is done; also True if its owner recorded it before.

        `quality` is the verdict on the run's data and the findings it is based on.
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
        ours = run_document.owner(document) == claim.owner
        return ours and status.state(document) is State.DONE

    @_translated
    def is_held(self, claim: Claim) -> bool:
        """Return whether the claim holds the run, or was the last one to hold it."""
        return run_document.owner(self._one(claim.number, changes.FIELDS)) == claim.owner

    @_translated
    def release(self, claim: Claim, reason: str, *, was_done: bool = False) -> bool:
        """Give a claimed run back: pending for the next driver, or done as it was before."""
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
    def set_pending(
        self,
        number: int,
        by: str,
        *,
        action: str | None = None,
        reason: str | None = None,
        leaves: Iterable[State] = frozenset(State) - {State.PENDING},
        reprocess: bool = False,
    ) -> bool:
        """Request that a run be processed, again if need be, on behalf of `by`.

        Only a run in one of the states `leaves` is changed. With `reprocess`, existing data of the
        run do not count; nor do they if that was requested of a run that is still pending. `action`
        and `reason` go into the history.
        """
        transition = status.SET_PENDING
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
    def apply(self, numbers: Iterable[int], step: CampaignChange) -> set[int]:
        """Make a campaign's change to each of these runs for which it is allowed.

        Repeating it changes nothing. Returns the runs that could not be changed.
        """
        return campaign_changes.apply(self._collection, self.endpoint, numbers, step)

    def requested_by(self, name: str, numbers: Sequence[range]) -> set[int]:
        """Return the runs among these numbers that a campaign was the last to request."""
        return {
            document["number"]
            for document in self.documents(("number", "processing.campaign.name"), numbers)
            if run_document.campaign_mark(document).get("name") == name
        }

    def allow(self, numbers: Sequence[range], step: CampaignChange) -> set[int]:
        """Return the runs among these numbers for which a campaign's change is allowed now."""
        found = self.documents(("number", *changes.FIELDS), numbers)
        return {run["number"] for run in found if step.allowed(run)}

    @_translated
    def campaigns(self) -> dict[str, str]:
        """Return the campaigns that have requested runs, with their working directories by name.

        The directory of a campaign is empty if it is unknown.
        """
        found = self._collection.aggregate(
            [
                {"$match": {"processing.campaign.name": {"$type": "string"}}},
                {
                    "$group": {
                        "_id": "$processing.campaign.name",
                        "directory": {"$max": "$processing.campaign.directory"},
                    }
                },
            ]
        )
        return {one["_id"]: str(one["directory"] or "") for one in found}

    @_translated
    def hold_campaign(self, name: str, *, paused: bool) -> None:
        """Hold back the runs of a campaign that are not done, or let them continue."""
        mark = "processing.campaign.paused"
        if paused:
            open_runs = {"processing.campaign.name": name, "processing_status": {"$ne": "done"}}
            self._collection.update_many(open_runs, {"$set": {mark: True}})
        else:
            held_back = {"processing.campaign.name": name, mark: True}
            self._collection.update_many(held_back, {"$unset": {mark: ""}})

    @_translated
    def tag(self, number: int, name: str, by: str, action: str, reason: str | None) -> bool:
        """Add a tag to a run on behalf of `by`; return False if the run already has it.

        Raises BadDataError if `tags` of the run document is not a list.
        """
        self._check_tags(number)
        return self._change(
            number, TagChange(action, by, None if reason is None else _encodable(reason), adds=name)
        )

    @_translated
    def untag(
        self, number: int, names: Iterable[str], by: str, action: str, reason: str | None
    ) -> bool:
        """Remove tags from a run on behalf of `by`; return False if the run has none of them.

        Raises BadDataError if `tags` of the run document is not a list.
        """
        self._check_tags(number)
        why = None if reason is None else _encodable(reason)
        return self._change(number, TagChange(action, by, why, removes=tuple(names)))

    def _check_tags(self, number: int) -> None:
        found = self._one(number, {"tags": 1}).get("tags")
        if not isinstance(found, list | None):
            raise BadDataError(
                f"run {number:06d}: tags of the run document must be a list, not {found!r:.80}"
            )

    @_translated
    def set_health(self, number: int, health: Mapping[str, Any]) -> bool:
        """Write the verdict on a run's quantities; return False if nothing changes.

        The status stays as it is, and so do notes that others have added meanwhile.
        """
        return self._change(number, HealthChange(health))

    @_translated
    def insert(self, document: Mapping[str, Any]) -> None:
        """Add the document of a new run, as the DAQ does.

        Raises ConfigurationError if its run number is missing or exists already. Not safe against
        another process that adds the same run at the same moment.
        """
        number = run_document.number(document)
        if number is None:
            raise ConfigurationError(f"{document.get('number')!r} is not a run number")
        if self._collection.find_one({"number": number}, {"number": 1}) is not None:
            raise ConfigurationError(f"run {number:06d} is already in {self._collection.full_name}")
        self._collection.insert_one(dict(document))

    @_translated
    def set_end(self, document: Mapping[str, Any]) -> None:
        """Set the end and the rate of a run that was being taken, as the DAQ does."""
        ended = {"end": document["end"], "rate": document["rate"]}
        self._collection.update_one({"number": document["number"], "end": None}, {"$set": ended})

    @_translated
    def add_data(self, number: int, *entries: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Add entries to a run's `data`; return those that were not there.

        Two entries are the same if type, host, location and lineage hash are the same. If somebody
        else adds some of them at the same moment, they are added once, and several entries may be
        returned to both. Raises BadDataError if `data` of the run document is not a list.
        """
        document = self._one(number, {"data": 1})
        here: Document = {"_id": document["_id"]}
        if document.get("data") is None:
            # Nothing can be appended to null.
            self._collection.update_one({**here, "data": None}, {"$set": {"data": []}})
        elif not isinstance(document["data"], list):
            raise BadDataError(
                f"run {number:06d}: data of the run document must be a list, not "
                f"{document['data']!r:.80}"
            )
        present = [_names(entry) for entry in document.get("data") or () if isinstance(entry, dict)]
        new = [entry for entry in entries if _names(entry) not in present]
        if not new:
            return []
        result = self._collection.bulk_write(
            [
                UpdateOne(
                    {**here, "data": {"$not": {"$elemMatch": _same(_names(entry))}}},
                    {"$push": {"data": dict(entry)}},
                )
                for entry in new
            ]
        )
        return new if result.matched_count else []

    @_translated
    def remove_data(self, number: int, entry: Mapping[str, Any], reason: str, by: str) -> bool:
        """Move an entry from a run's `data` to ``processing.gone``, with the reason.

        Nothing that anybody wrote is lost. Returns False if the entry is not there.
        """
        document = self._one(number, changes.FIELDS)
        if room := changes.make_room(document):
            self._collection.update_one(*room)
        same = _same(_names(entry) | {"by": entry.get("by")})
        gone = {"entry": dict(entry), "reason": reason, "by": by, "time": clock.now()}
        result = self._collection.update_one(
            {"_id": document["_id"], "data": {"$elemMatch": same}},
            {"$pull": {"data": same}, "$push": {"processing.gone": gone}},
        )
        return result.matched_count == 1

    def _one(self, number: int, fields: Mapping[str, int] | None = None) -> Document:
        # A number as text would match nothing, and MongoDB would not complain.
        index = operator.index(number)
        found = list(self._collection.find({"number": index}, fields).limit(2))
        if not found:
            raise ConfigurationError(
                f"run {index:06d} is not in {self.name}",
                f"check the number ({self._nearest(index)}), and rundb.collection in the "
                "configuration",
            )
        if len(found) > 1:
            raise claiming.ambiguous(index, self._collection)
        return found[0]

    def _nearest(self, number: int) -> str:
        """Name the existing runs before and after a number that does not exist."""
        ways = (({"$lt": number}, DESCENDING), ({"$gt": number}, ASCENDING))
        found = [
            f"{near:06d}"
            for side, order in ways
            for document in self._collection.find(
                {"$and": [{"number": USABLE_NUMBER}, {"number": side}]}, {"number": 1}
            )
            .sort("number", order)
            .limit(1)
            if (near := run_document.number(document)) is not None
        ]
        if not found:
            return "it has no runs"
        return f"the nearest {'is' if len(found) == 1 else 'are'} {' and '.join(found)}"

    def _claiming(self, owner: str) -> Claiming:
        return Claiming(self._collection, self.endpoint, owner)

    def _change(self, number: int, change: Change | TagChange | HealthChange) -> bool:
        return self._changed(number, change) is not None

    def _changed(self, number: int, change: Change | TagChange | HealthChange) -> Document | None:
        """Make a change; return the changed document, or None if the change is not allowed."""
        before: Document | None = None
        for _ in range(CHANGE_TRIES):
            document = self._one(number, changes.FIELDS)
            here = change.as_read(document)
            # Unchanged, yet refused: the change's own condition did not hold.
            if not change.allowed(document) or here == before:
                return None
            if room := changes.make_room(document):
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


def _names(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in IDENTITY}


def _same(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return MongoDB's condition for an entry with these values, whatever they are."""
    return {name: {"$eq": value} for name, value in names.items()}


def _fields(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def _in_ranges(numbers: Sequence[range] | None) -> Document:
    """Return the filter for runs in one of these ranges; None for all runs."""
    wanted: Document = {"number": USABLE_NUMBER}
    if numbers is not None:
        wanted["$or"] = [{"number": {"$gte": part.start, "$lt": part.stop}} for part in numbers]
    return wanted


def _newest_first(runs: Iterable[_Run]) -> list[_Run]:
    return sorted(runs, key=lambda run: run.number, reverse=True)


def _numbered(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents with a usable run number, converted to int."""
    for document in documents:
        number = run_document.number(document)
        if number is not None:
            document["number"] = number
            yield document


def _failure(
    stage: str, reason: str, failure: FailureClass, log: str | None, host: str | None
) -> Document:
    """Return the fields of `processing` for a failure; log and host stay if none is given."""
    about = {"stage": stage, "reason": _encodable(reason), "failure": FailureClass(failure).value}
    given = {"log": log, "host": host}
    return about | {name: value for name, value in given.items() if value is not None}


def _encodable(text: str) -> str:
    """Return text that UTF-8 can encode: file names in messages may contain other bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
