"""Transfer a run again: set aside the copy and all data derived from it."""

from collections.abc import Mapping
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.operate import lineages
from xamsflow.operate.actions import Action, Author, judge_free
from xamsflow.operate.reconcile import Evidence, Sources, set_aside
from xamsflow.rundb import RunDatabase, run_document
from xamsflow.rundb.status import State, state
from xamsflow.settings.config import Config
from xamsflow.state import layout, lock
from xamsflow.transfer import Search, source

EFFECT = (
    "pending; its copy, strax data and receipts here are set aside, and it is transferred again"
)
SET_ASIDE = "set aside to transfer the run again"


def action(settings: Config) -> Action:
    """Return the action for a site: it changes files here as well as the run document."""

    def change(database: RunDatabase, number: int, author: Author, found: State) -> bool:
        sources = Sources(settings, database, by=author.name)
        run = layout.run_id(number)
        with lock.at_once(layout.lock_file(sources.processed, run)) as free:
            if not free:
                raise BadDataError(f"a job is working on run {run}", "wait until it ends")
            (evidence,) = sources.gather({run}, locked_by_us=True)
            _check_the_original(database.get(number), settings, run)
            if state(database.get(number)) is not found:  # somebody else has changed it
                return False
            _set_aside(evidence, sources, author)
            return database.set_pending(
                number, author.name, action=author.verb, reason=author.reason, leaves={found}
            )

    return Action("retransfer", "transfer again", "pending", judge_free(EFFECT), change)


def _check_the_original(document: Mapping[str, Any], settings: Config, run: str) -> None:
    """Raise BadDataError unless a source has the whole run, in another folder than the copy.

    Raises TransientError if a source that may have it does not respond.
    """
    copy = settings.storage.live_data / run
    here = source.Folder(None, str(copy.resolve()))
    search = Search(document, settings.daq, settings.sources)
    found = list(search.complete())
    if any(one.folder != here and one.listing.files for one in found):
        return
    if any(one.folder == here for one in found):
        raise BadDataError(
            f"run {run} has no copy: {copy} is the original folder of {found[0].name}",
            "nothing was changed; to recompute its data, use xamsflow reprocess",
        )
    if search.passed_over and not all(one.gone for one in search.passed_over):
        raise search.error()
    asked = ", ".join(map(str, search.where))
    raise BadDataError(
        f"no source still has run {run}{f': {asked}' if asked else ''}",
        f"nothing was changed: the copy {copy} is the only one left",
    )


def _set_aside(evidence: Evidence, sources: Sources, author: Author) -> None:
    """Set the files aside, and move the entries that describe them to ``processing.gone``."""
    paths = evidence.made_from_the_copy
    for path in paths:
        set_aside(path)
    lineages.release_gone(sources.processed, evidence.run, author.name, SET_ASIDE)
    gone = {str(path) for path in paths}
    for entry in evidence.entries_of(sources.host):
        is_copy = entry["type"] == run_document.LIVE and entry["location"] == str(sources.live_data)
        if is_copy or entry["location"] in gone:
            sources.database.remove_data(evidence.number, entry, SET_ASIDE, author.name)
