"""Claims: a file that tells a run's jobs which driver owns the run.

A job updates the run document only in the name of its claim, so a job that outlives its driver
cannot overwrite what a later driver writes.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xamsflow.base.errors import BadDataError, XamsflowError
from xamsflow.state import layout, receipts

TOGETHER = 50
"""Maximum number of claims per file; to read one claim, all claims of its file are read."""


@dataclass(frozen=True)
class Claim:
    """Only `owner` may change the run's status; `attempt` counts how often the run was claimed.

    `shortages` counts the attempts that ran out of resources since the run was requested.
    """

    number: int
    owner: str
    attempt: int
    shortages: int = 0


@dataclass(frozen=True)
class Order:
    """A claim and its purpose: the final data types to make, and whether to follow the run."""

    claim: Claim
    targets: tuple[str, ...]
    follow: bool = False


def write(orders: Sequence[Order]) -> dict[str, XamsflowError]:
    """Write the claims for the jobs of these runs, replacing earlier ones.

    Returns, by run, why its claim could not be written; for example, its folder may belong to
    another user. The claims of many runs share one file, and each run gets a link to it: creating a
    thousand files takes a tenth of a second or more.
    """
    refused: dict[str, XamsflowError] = {}
    for start in range(0, len(orders), TOGETHER):
        refused |= _write_together(orders[start : start + TOGETHER])
    return refused


def read(run: str) -> Claim | None:
    """Return the claim on a run, or None if no driver owns the run."""
    about = _read(run)
    return Claim(**about["claim"]) if about else None


def targets(run: str) -> tuple[str, ...]:
    """Return the final data types of a claimed run, empty if the run is not claimed."""
    return tuple(_known(run).get("targets", ()))


def follows(run: str) -> bool:
    """Return whether a claimed run is followed while it is being taken."""
    return _known(run).get("follow") is True


def shortages(run: str) -> int:
    """Return how often a run has run out of resources, 0 if it is not claimed."""
    about = _known(run)
    return Claim(**about["claim"]).shortages if about else 0


def remove(claim: Claim) -> None:
    """Remove a claim whose owner has given up the run; leave another driver's claim alone."""
    run = layout.run_id(claim.number)
    if read(run) == claim:
        layout.claim_file(run).unlink(missing_ok=True)


def read_file(path: Path) -> receipts.Receipt:
    """Return the contents of a run's claim file: the fields of an Order.

    Raises FileNotFoundError if there is no such file, BadDataError if it is unusable.
    """
    run = path.parent.name
    entry = receipts.read(path, needs=[run])[run]
    try:
        Claim(**entry["claim"])
    except (KeyError, TypeError) as error:
        raise BadDataError(
            f"{path} is not a valid claim file", "the next driver rewrites it"
        ) from error
    return dict(entry)


def _write_together(orders: Sequence[Order]) -> dict[str, XamsflowError]:
    entries = {
        layout.run_id(order.claim.number): vars(order) | {"claim": vars(order.claim)}
        for order in orders
    }
    together = layout.claim_file(min(entries)).parents[1] / f".claims.{secrets.token_hex(4)}"
    # No driver survives a power cut, so its claims need not survive either.
    receipts.write(together, entries, durable=False)
    refused = {}
    try:
        for run, entry in entries.items():
            try:
                _link(together, layout.claim_file(run), {run: entry})
            except XamsflowError as error:
                refused[run] = error
    finally:
        with contextlib.suppress(OSError):
            together.unlink()
    return refused


def _link(together: Path, file: Path, entry: receipts.Receipt) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        os.link(together, file)
    except OSError:  # some file systems do not support links, or limit their number
        receipts.write(file, entry, durable=False)


def _known(run: str) -> receipts.Receipt:
    """Return what is known of a claim, nothing if its file cannot be read: for previews."""
    try:
        return _read(run)
    except XamsflowError:
        return {}


def _read(run: str) -> receipts.Receipt:
    try:
        return read_file(layout.claim_file(run))
    except (FileNotFoundError, BadDataError):
        return {}
