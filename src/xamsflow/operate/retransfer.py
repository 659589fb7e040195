"""Transfer a run again: set the copy aside, and everything that was made from it."""

from collections.abc import Mapping
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.operate.actions import Action, Author, judge_free
from xamsflow.operate.reconcile import Evidence, Sources, set_aside
from xamsflow.rundb import RunDatabase
from xamsflow.rundb.status import State
from xamsflow.settings.config import Config
from xamsflow.state import layout, lock
from xamsflow.transfer import parent_on_daq, source

EFFECT = "pending; copy, strax data and receipts here are set aside, and it is transferred again"


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
            _set_aside(evidence, sources, author)
            return database.set_pending(
                number, author.name, action=author.verb, reason=author.reason, leaves={found}
            )

    return Action("retransfer", "transfer again", "pending", judge_free(EFFECT), change)


def _check_the_original(document: Mapping[str, Any], settings: Config, run: str) -> None:
    """Raise BadDataError unless the DAQ has the run, in another folder than the copy."""
    parent = parent_on_daq(document, settings.daq)
    there, listing = source.find(settings.daq.ssh, parent, run)
    copy = settings.storage.live_data / run
    if listing is None or not listing.files:
        raise BadDataError(
            f"the DAQ no longer has run {run} in {parent}",
            f"nothing was changed: the copy {copy} is the only one left",
        )
    if there == source.Folder(None, str(copy.resolve())):
        raise BadDataError(
            f"run {run} is not copied: {copy} is the DAQ's own folder",
            "nothing was changed; xamsflow reprocess makes its data again",
        )


def _set_aside(evidence: Evidence, sources: Sources, author: Author) -> None:
    """Set the files aside, and move the entries that describe them to ``processing.gone``."""
    paths = evidence.made_from_the_copy
    for path in paths:
        set_aside(path)
    gone = {str(path) for path in paths}
    for entry in evidence.entries:
        is_copy = entry.get("type") == "live" and entry.get("location") == str(sources.live_data)
        if entry.get("host") == sources.host and (is_copy or entry.get("location") in gone):
            reason = "set aside to transfer the run again"
            sources.database.remove_data(evidence.number, entry, reason, author.name)
