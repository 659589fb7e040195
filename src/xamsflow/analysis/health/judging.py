"""Verdicts on runs: create them, store them on disk, publish them and notify people.

Only the files on disk count: a verdict depends on the files of earlier runs, and needs no run
database.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from xamsflow.analysis.health import references, verdict
from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError
from xamsflow.run import notify, publish
from xamsflow.settings.config import Config
from xamsflow.state import health, layout, lock, quantities, receipts
from xamsflow.state.health import Health, Note, Verdict

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

logger = logging.getLogger(__name__)


RECENT = timedelta(days=7)
"""Maximum time since the end of a run; older runs are not reported."""


def judge(runs: Iterable[str], config: Config, *, is_last: bool = True) -> list[Health]:
    """Judge runs, oldest first, store and return the verdicts; report new deviations.

    Runs without quantities, or with a damaged file of them, are left out. If `is_last` is false,
    earlier runs may still get quantities; runs without enough reference runs then get no verdict
    yet. Verdicts are written to the documents of runs published from here; failures to do so are
    only logged.
    """
    runs = list(runs)
    before = {run: _kept(run) for run in runs}
    found = _judge_all(runs, keep_unknown=is_last)
    for one in found:
        if names := _new(one, before):
            notify.odd(config, one, names)
    notify.finish()
    try:
        publish_all(found, config)
    except XamsflowError as error:
        logger.warning("verdicts are not in the run documents: %s", error)
    return found


def is_unjudged(run: str) -> bool:
    """Return whether a run has quantities without a later verdict, for example after a kill."""
    try:
        measured = layout.quantities(run).stat().st_mtime_ns
    except OSError:  # there are none, or they cannot be read
        return False
    try:
        return layout.health(run).stat().st_mtime_ns < measured
    except OSError:
        return True


def judge_again(runs: Iterable[str]) -> list[Health]:
    """Judge runs, oldest first, as :func:`judge`, but without notifications."""
    return _judge_all(runs, keep_unknown=True)


def _judge_all(runs: Iterable[str], *, keep_unknown: bool) -> list[Health]:
    found = []
    for run in sorted(runs):
        with _alone():
            one = _judged_if_possible(run, keep_unknown=keep_unknown)
        if one is not None:
            found.append(one)
    return found


def acknowledge(run: str, text: str, by: str) -> list[Health]:
    """Record a note on a run's deviations; return the verdicts that have changed.

    Later runs with the same deviations get the note too. Raises ConfigurationError if the run is
    not odd.
    """
    with _alone():
        found = _verdict_on(run)
        if not found.odd:
            raise ConfigurationError(
                f"run {run} is {found.verdict}", "only deviations of an odd run can be acknowledged"
            )
        note = Note(text, by, clock.now().isoformat(), tuple(one.name for one in found.odd))
        changed = [replace(found, known=(*found.known, note))]
        began = {one.name: one.since for one in found.odd}
        for later in references.following(run):
            if later.verdict is Verdict.UNKNOWN:
                continue
            names = tuple(one.name for one in later.odd if began.get(one.name) == one.since)
            if not names:
                break
            began = {name: began[name] for name in names}
            changed.append(replace(later, known=(*later.known, replace(note, names=names))))
        for one in changed:
            health.write(one)
        return changed


def name_reference(run: str, by: str) -> list[Health]:
    """Declare a run the reference for all later ones; return the new verdicts."""
    with _alone():
        health.write(replace(_verdict_on(run), named_by=by))
        later = [one.run_id for one in references.following(run)]
        judged = map(_judged_if_possible, (run, *later))
        return [found for found in judged if found is not None]


def publish_all(found: Sequence[Health], config: Config) -> None:
    """Write verdicts to the documents of the runs that were published from here.

    A document that describes another run, for example in another collection, is left alone, and
    this is logged. Raises TransientError if the run database cannot be reached.
    """
    from xamsflow import rundb  # noqa: PLC0415 - not loaded to judge a run

    published = [one for one in found if layout.rundoc_receipt(one.run_id).is_file()]
    if not published:
        return
    with rundb.open_database(config.rundb) as database:
        for one in published:
            try:
                _publish(one, database, config)
            except (BadDataError, ConfigurationError) as error:
                logger.warning("run %s: the verdict is not published: %s", one.run_id, error)


def _publish(found: Health, database: "RunDatabase", config: Config) -> None:
    try:
        receipt = receipts.read(layout.transfer_receipt(found.run_id), publish.TRANSFER_NEEDS)
    except FileNotFoundError:
        raise BadDataError("without the receipt of its transfer, its document is unknown") from None
    publish.check_whose(receipt, database, config)
    database.set_health(layout.run_number(found.run_id), found.in_document())


def _judged_if_possible(run: str, *, keep_unknown: bool = True) -> Health | None:
    """Judge a run; None if it has no quantities or cannot be judged, which is logged."""
    try:
        return _judged(run, keep_unknown=keep_unknown)
    except XamsflowError as error:
        logger.warning("run %s is not judged: %s", run, error)
        return None


def _judged(run: str, *, keep_unknown: bool) -> Health | None:
    """Judge a run and store the verdict, keeping people's notes on the run.

    None if the run has no quantities, or if the verdict is unknown and not stored.
    """
    values = quantities.read(run)
    if values is None:
        return None
    found = verdict.judge(values, references.find(values), _kept(run), clock.now().isoformat())
    if found.verdict is Verdict.UNKNOWN and not keep_unknown:
        return None
    health.write(found)
    return found


def _kept(run: str) -> Health | None:
    """Return the stored verdict on a run; None if there is none or it cannot be read (logged)."""
    try:
        return health.read(run)
    except XamsflowError as error:
        logger.warning("%s", error.what)
        return None


def _verdict_on(run: str) -> Health:
    found = health.read(run)
    if found is None:
        raise ConfigurationError(
            f"run {run} has not been judged", f"`xamsflow health {int(run)} --again`"
        )
    return found


def _new(found: Health, before: Mapping[str, Health | None]) -> tuple[str, ...]:
    """Return the deviations that have not been reported.

    Neither an earlier verdict on the run nor one on the next run contains them, because runs may be
    processed newest first. `before` contains the verdicts from before this call. Old runs are not
    reported.
    """
    if clock.now() - found.ended > RECENT:
        return ()
    new = {one.name for one in found.odd if one.since == found.run_id}
    later = next(references.following(found.run_id), None)
    if later is not None:
        later = before.get(later.run_id, later)
    told = {
        one.name
        for earlier in (before.get(found.run_id), later)
        if earlier is not None
        for one in earlier.odd
    }
    return tuple(name for name in found.unknown_names if name in new - told)


@contextmanager
def _alone() -> Iterator[None]:
    with lock.exclusive(layout.HEALTH_LOCK):
        yield
