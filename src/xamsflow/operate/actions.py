"""The actions people can take on runs: what each would change, and how it is done.

The effect of an action is determined from the run document alone, so that people see it in advance.
The action itself is one atomic change, made only if the run's state has not changed in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xamsflow.base.errors import XamsflowError
from xamsflow.run import selecting
from xamsflow.rundb import ClaimedRun, RunDatabase, run_document
from xamsflow.rundb.run_document import tag_names
from xamsflow.rundb.selection import ABANDON_TAG, HOLD_TAG, HOLDING_TAGS
from xamsflow.rundb.status import State, state
from xamsflow.state import layout, lineages

FIELDS = ClaimedRun.FIELDS
"""The fields of a run document that are needed to judge an action."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Outlook:
    """What an action would do to a run.

    `effect` describes it in words, or says why nothing is done. `changes` means that the run would
    change. `refused` means that the action is impossible, which is an error if the run was
    requested by its number.
    """

    effect: str
    changes: bool = False
    refused: bool = False


@dataclass(frozen=True)
class Action:
    """A command: `question` asks for confirmation, `outcome` is reported afterwards.

    `judge` gets the run document and whether ``--force`` was given.
    """

    name: str
    question: str
    outcome: str
    judge: Callable[[Document, bool], Outlook]
    change: Callable[[RunDatabase, int, "Author", State], bool]


@dataclass(frozen=True)
class Author:
    """Who requests a change, with which command and for what reason."""

    name: str
    verb: str
    reason: str | None


def _changes(effect: str) -> Outlook:
    return Outlook(effect, changes=True)


def _refused(effect: str) -> Outlook:
    return Outlook(effect, refused=True)


def judge_free(effect: str) -> Callable[[Document, bool], Outlook]:
    """Return a judgement for an action with this effect on every run that nobody is processing."""

    def judge(document: Document, force: bool) -> Outlook:
        return _busy(document, force, forceable=True) or _changes(f"{effect}{_but(document)}")

    return judge


def _judge_pend(document: Document, force: bool) -> Outlook:
    found = state(document)
    if found is State.PENDING:
        if run_document.campaign(document) is None or not force:
            return _already_pending(document)
        return _changes(f"pending{_leaving(document)}{_but(document)}")
    if found is State.DONE:
        if not force:
            return Outlook("is done; --force republishes it")
        return _changes(f"republished; stored data are kept{_but(document)}")
    return _busy(document, force, forceable=True) or _changes(f"pending{_but(document)}")


def _judge_retry(document: Document, force: bool) -> Outlook:  # noqa: ARG001
    found = state(document)
    if found is State.FAILED:
        return _changes(f"pending, with the attempt count reset{_but(document)}")
    if found is State.PENDING:
        return _already_pending(document)
    return _busy(document) or _refused(
        "has not failed" if found is not State.DONE else "is done, not failed"
    )


def _judge_reprocess(document: Document, force: bool) -> Outlook:
    if (
        state(document) is State.PENDING
        and run_document.is_to_be_reprocessed(document)
        and run_document.campaign(document) is None
    ):
        return Outlook(f"is already pending for reprocessing{_but(document)}")
    return _busy(document, force, forceable=True) or _changes(
        f"pending{_leaving(document)}; data types that would now differ are reprocessed"
        f"{_but(document)}"
    )


def _judge_corrected(document: Document, force: bool) -> Outlook:
    if state(document) is State.ABSENT:
        return Outlook("has not been processed")
    return _judge_reprocess(document, force)


def _judge_hold(document: Document, force: bool) -> Outlook:  # noqa: ARG001
    if HOLD_TAG in tag_names(document):
        return Outlook("is already held")
    return _changes(f"held: not processed until it is released{_goes_on(document)}")


def _judge_abandon(document: Document, force: bool) -> Outlook:  # noqa: ARG001
    if ABANDON_TAG in tag_names(document):
        return Outlook("is already abandoned")
    return _changes(f"abandoned: no longer processed{_goes_on(document)}")


def _judge_release(document: Document, force: bool) -> Outlook:  # noqa: ARG001
    found = [name for name in tag_names(document) if name in HOLDING_TAGS]
    if not found:
        return Outlook("is not held")
    then = {
        State.PENDING: "the next driver processes it",
        State.ABSENT: "not requested yet: xamsflow pend",
    }.get(state(document), f"stays {state(document)}")
    return _changes(f"without its tag {' and '.join(found)}: {then}")


def _busy(document: Document, force: bool = False, *, forceable: bool = False) -> Outlook | None:
    """Return the outlook for a run that is being processed, or None if it is free."""
    found = state(document)
    claimed = ClaimedRun.of(document)
    if claimed is not None:
        who = claimed.owner
        if selecting.is_stranded(claimed):
            return Outlook(f"its driver {who} has died: the next driver takes it over")
        if selecting.has_died(claimed):
            return Outlook(f"its driver {who} has died; its outcome is kept in {layout.JOURNAL}")
        return _refused(f"is being processed by {who}: wait until it ends, or stop that driver")
    if found is State.ELSEWHERE and not force:
        status = f"{run_document.status(document)!s:.40}"
        remedy = "; if that tool has given up, use --force" if forceable else ""
        return _refused(f"is in use by another tool, as its status {status!r} says{remedy}")
    return None


def _already_pending(document: Document) -> Outlook:
    campaign = run_document.campaign(document)
    said = (
        f" for the campaign {campaign}; `xamsflow pend --force` requests it independently"
        if campaign is not None
        else ""
    )
    return Outlook(f"is already pending{said}{_but(document)}")


def _leaving(document: Document) -> str:
    """Return which campaign a run leaves because a person requests it while it waits."""
    campaign = run_document.campaign(document)
    waits = state(document) is State.PENDING and campaign is not None
    return f", no longer for the campaign {campaign}" if waits else ""


def _but(document: Document) -> str:
    held = [name for name in tag_names(document) if name in HOLDING_TAGS]
    return (
        f", but not processed because of its tag {' and '.join(held)}: "
        f"xamsflow release {document['number']}"
        if held
        else ""
    )


def _goes_on(document: Document) -> str:
    claimed = ClaimedRun.of(document)
    if claimed is None:
        return ""
    return f"; {claimed.owner} is processing it and will finish"


def _set_pending(database: RunDatabase, number: int, author: Author, found: State) -> bool:
    return database.set_pending(
        number, author.name, action=author.verb, reason=author.reason, leaves={found}
    )


def _reprocess(database: RunDatabase, number: int, author: Author, found: State) -> bool:
    return database.set_pending(
        number,
        author.name,
        action=author.verb,
        reason=author.reason,
        leaves={found},
        reprocess=True,
    )


def _hold(database: RunDatabase, number: int, author: Author, _: State) -> bool:
    return database.tag(number, HOLD_TAG, author.name, author.verb, author.reason)


def _abandon(database: RunDatabase, number: int, author: Author, _: State) -> bool:
    return database.tag(number, ABANDON_TAG, author.name, author.verb, author.reason)


def _release(database: RunDatabase, number: int, author: Author, _: State) -> bool:
    return database.untag(number, HOLDING_TAGS, author.name, author.verb, author.reason)


PEND = Action("pend", "request", "pending", _judge_pend, _set_pending)
RETRY = Action("retry", "retry", "pending", _judge_retry, _set_pending)
_REPROCESS = Action("reprocess", "reprocess", "pending", _judge_reprocess, _reprocess)
HOLD = Action("hold", "hold", "held", _judge_hold, _hold)
RELEASE = Action("release", "release", "released", _judge_release, _release)
ABANDON = Action("abandon", "abandon", "abandoned", _judge_abandon, _abandon)


def reprocess(processed: Path) -> Action:
    """Return the action that reprocesses runs; it says if analysts keep earlier data anyway."""
    return replace(_REPROCESS, judge=_saying_what_stays(processed, _judge_reprocess))


def beside(processed: Path) -> Action:
    """Return the action that reprocesses runs while analysts keep the published data."""

    def judge(document: Document, force: bool) -> Outlook:
        outlook = _judge_reprocess(document, force)
        if not outlook.changes:
            return outlook
        run = layout.run_id(document["number"])
        try:
            kept = lineages.read(processed, run)
            if kept is None or kept.accepted:
                lineages.to_keep(processed, run)
        except XamsflowError as error:
            return _refused(str(error))
        return _changes(
            f"{outlook.effect}; analysts keep the earlier data until the new data are accepted"
        )

    def change(database: RunDatabase, number: int, author: Author, found: State) -> bool:
        if state(database.get(number)) is not found:  # somebody else has changed it
            return False
        lineages.keep(processed, layout.run_id(number), author.name, author.reason or "")
        return _reprocess(database, number, author, found)

    return replace(_REPROCESS, judge=judge, change=change)


def corrected(verb: str, processed: Path) -> Action:
    """Return the action on runs whose correction value changes: those processed are reprocessed."""
    judge = _saying_what_stays(processed, _judge_corrected)
    return replace(_REPROCESS, name=verb, judge=judge)


def _saying_what_stays(
    processed: Path, judge: Callable[[Document, bool], Outlook]
) -> Callable[[Document, bool], Outlook]:
    """Return a judgement of reprocessing that says if analysts keep earlier data."""

    def judge_and_say(document: Document, force: bool) -> Outlook:
        outlook = judge(document, force)
        if not outlook.changes:
            return outlook
        number = document["number"]
        try:
            kept = lineages.read(processed, layout.run_id(number))
        except XamsflowError as error:
            return replace(outlook, effect=f"{outlook.effect}; {error}")
        if kept is None or kept.accepted:
            return outlook
        stays = f"analysts keep the earlier data: xamsflow lineage {number}"
        return replace(outlook, effect=f"{outlook.effect}; {stays}")

    return judge_and_say
