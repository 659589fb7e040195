"""Outcomes that could not be written to the run database, kept on disk until they can be.

Each claim has one file, written by rename, in the folder ``journal``. Whoever next writes to the
run database publishes them: a driver when it starts, with each heartbeat and at its end, and
``xamsflow pend``. Each outcome changes the run document only once, because the change requires that
the claim still holds the run.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xamsflow.base import system_errors
from xamsflow.base.errors import FailureClass, TransientError, XamsflowError
from xamsflow.redax import rundoc
from xamsflow.run.failures import FailedJob, Failure
from xamsflow.run.publish import Done, tell_done, tell_failure
from xamsflow.settings.config import Config
from xamsflow.state import layout, receipts
from xamsflow.state.claims import Claim

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

logger = logging.getLogger(__name__)

CLAIM_KEYS = {field.name for field in fields(Claim)}
DONE_KEYS = {field.name for field in fields(Done)}


def keep_done(claim: Claim, done: Done, config: Config) -> None:
    """Keep the outcome of a claimed run that is done."""
    about = {**asdict(done), "data": rundoc.to_json(done.data)}
    _keep(claim, "done", about, config)


def keep_failure(claim: Claim, job: FailedJob, config: Config) -> None:
    """Keep the failure of a claimed run, unless it is kept as done."""
    if not keeps(claim.number, claim.owner):
        about = {"rule": job.rule, "log": str(job.log), **asdict(job.failure)}
        _keep(claim, "failed", about, config)


def keeps(number: int, owner: str) -> bool:
    """Return whether an outcome is kept for the run as claimed by `owner`."""
    return any(
        entry["claim"]["owner"] == owner for _, entry in _entries(f"{layout.run_id(number)}.*.json")
    )


def _warn(run: str, error: XamsflowError) -> None:
    logger.warning("the outcome of run %s cannot be published: %s", run, error)


def publish(
    database: "RunDatabase",
    config: Config,
    refused: Callable[[str, XamsflowError], None] = _warn,
) -> dict[str, str]:
    """Publish every outcome kept for this run database; return "done" or "failed" by run.

    An entry is removed once the run document agrees with it; if the run now belongs to another
    driver, the entry is set aside. Raises TransientError if the database is unreachable again. If
    anything else prevents publishing, `refused` is called with the run and the error, and the entry
    stays.
    """
    published = {}
    for path, entry in _entries("*.json"):
        here = _place(config)
        if here != here | {name: entry[name] for name in here if name in entry}:
            continue  # it is for another run database
        claim, run = Claim(**entry["claim"]), layout.run_id(entry["claim"]["number"])
        try:
            told = _tell(database, claim, entry, config)
            if told:
                published[run] = str(entry["outcome"])
                path.unlink(missing_ok=True)
            else:
                aside = path.with_suffix(".json.refused")
                try:
                    path.replace(aside)
                except FileNotFoundError:  # another process has just published it
                    continue
                logger.warning(
                    "run %s now belongs to another driver: its outcome is kept as %s", run, aside
                )
        except TransientError:
            raise
        except Exception as error:  # whatever it is, it affects only this run
            refused(run, system_errors.readable(error))
    return published


def _tell(database: "RunDatabase", claim: Claim, entry: dict[str, Any], config: Config) -> bool:
    about = entry["about"]
    if entry["outcome"] == "failed":
        failure = Failure(about["reason"], FailureClass(about["failure"]))
        job = FailedJob(about["rule"], layout.run_id(claim.number), Path(about["log"]), failure)
        return tell_failure(database, claim, job, config) or _has_failed(database, claim)
    data = [rundoc.from_json(one) for one in about["data"]]
    receipt = tell_done(database, claim, Done(data, about["versions"], about["quality"]))
    if receipt is None:
        return False
    receipts.write(layout.rundoc_receipt(layout.run_id(claim.number)), receipt)
    return True


def _has_failed(database: "RunDatabase", claim: Claim) -> bool:
    """Return whether another process has just published the failure."""
    from xamsflow.rundb.status import State, state  # noqa: PLC0415

    is_failed = state(database.get(claim.number)) is State.FAILED
    return is_failed and database.is_held(claim)


def _keep(claim: Claim, outcome: str, about: dict[str, Any], config: Config) -> None:
    place = _place(config)
    receipts.write(
        layout.journal_file(claim.number, claim.attempt, " on ".join(place.values())),
        {**place, "claim": asdict(claim), "outcome": outcome, "about": about},
    )


def _entries(pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    try:
        paths = sorted(layout.JOURNAL.glob(pattern))
    except OSError as error:
        raise system_errors.cannot("read", layout.JOURNAL, error) from error
    for path in paths:
        try:
            entry = receipts.read(path, needs=("collection", "claim", "outcome", "about"))
        except FileNotFoundError:
            continue  # another process has just published it
        except XamsflowError as error:
            logger.warning("ignored: %s", error)
            continue
        if _is_usable(entry):
            yield path, entry
        else:
            logger.warning("ignored: %s is not an outcome written by this version", path)


def _is_usable(entry: dict[str, Any]) -> bool:
    """Return whether an entry has everything needed to publish it, with the right types."""
    claim, about = entry["claim"], entry["about"]
    if not isinstance(claim, dict) or not isinstance(about, dict):
        return False
    whole = all(isinstance(claim.get(name), int) for name in ("number", "attempt", "shortages"))
    if not whole or set(claim) != CLAIM_KEYS or not isinstance(claim["owner"], str):
        return False
    try:
        layout.run_id(claim["number"])
    except XamsflowError:
        return False
    if entry["outcome"] == "failed":
        classes = {failure.value for failure in FailureClass}
        texts = all(isinstance(about.get(name), str) for name in ("rule", "log", "reason"))
        return texts and about.get("failure") in classes
    return (
        entry["outcome"] == "done"
        and isinstance(about.get("data"), list)
        and set(about) >= DONE_KEYS
    )


def _place(config: Config) -> dict[str, str]:
    """Identify this run database; entries of earlier versions do not name the server."""
    rundb = config.rundb
    server = urlsplit(rundb.uri).netloc
    return {
        "collection": f"{rundb.database}.{rundb.collection}",
        "server": server if rundb.tunnel is None else f"{server} behind {rundb.tunnel.host}",
    }
