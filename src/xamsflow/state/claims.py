"""Which driver answers for a run: a file tells the run's jobs.

A job reports to the run document only in the name of the claim, so that one that outlived its
driver cannot write over what a later driver says.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xamsflow.base.errors import BadDataError, XamsflowError
from xamsflow.state import layout, receipts

TOGETHER = 50
"""How many claims are in one file at most, as whoever wants one reads all of them."""


@dataclass(frozen=True)
class Claim:
    """A run's status is `owner`'s to change; `attempt` counts how often the run was claimed.

    `shortages` counts the attempts that failed for want of resources since the run was asked for.
    """

    number: int
    owner: str
    attempt: int
    shortages: int = 0


@dataclass(frozen=True)
class Order:
    """A claim and what it is for: the data types wanted last, and whether to follow the run."""

    claim: Claim
    targets: tuple[str, ...]
    follow: bool = False


def write(orders: Sequence[Order]) -> dict[str, XamsflowError]:
    """Tell the jobs of these runs of their claims, in place of earlier ones.

    Returns, by run, why that cannot be done for a run; its folder may be odd, or another user's.
    Those of many runs are written into one file, to which each run's is a link: to create a
    thousand files takes a tenth of a second and more.
    """
    refused: dict[str, XamsflowError] = {}
    for start in range(0, len(orders), TOGETHER):
        refused |= _write_together(orders[start : start + TOGETHER])
    return refused


def read(run: str) -> Claim | None:
    """Return the claim on a run, None where no driver answers for its status."""
    about = _read(run)
    return Claim(**about["claim"]) if about else None


def targets(run: str) -> tuple[str, ...]:
    """Return the data types that are wanted last of a claimed run, none where it is not claimed."""
    return tuple(_read(run).get("targets", ()))


def follows(run: str) -> bool:
    """Return whether a claimed run is followed while it is taken."""
    return _read(run).get("follow") is True


def shortages(run: str) -> int:
    """Return how often a run has failed for want of resources, 0 where it is not claimed."""
    claim = read(run)
    return 0 if claim is None else claim.shortages


def remove(claim: Claim) -> None:
    """Remove a claim whose owner no longer answers for the run; another driver's claim stays."""
    run = layout.run_id(claim.number)
    if read(run) == claim:
        layout.claim_file(run).unlink(missing_ok=True)


def read_file(path: Path) -> receipts.Receipt:
    """Return what a claim file says of the run in whose folder it lies: the fields of an Order.

    Raises FileNotFoundError where there is none, BadDataError where it cannot be used.
    """
    run = path.parent.name
    entry = receipts.read(path, needs=[run])[run]
    try:
        Claim(**entry["claim"])
    except (KeyError, TypeError) as error:
        raise BadDataError(
            f"{path} does not hold a claim", "the next run of the driver writes it again"
        ) from error
    return dict(entry)


def _write_together(orders: Sequence[Order]) -> dict[str, XamsflowError]:
    entries = {
        layout.run_id(order.claim.number): vars(order) | {"claim": vars(order.claim)}
        for order in orders
    }
    together = layout.claim_file(min(entries)).parents[1] / f".claims.{secrets.token_hex(4)}"
    # After a power cut, no driver is left that it could be about.
    receipts.write(together, entries, durable=False)
    refused = {}
    try:
        for run, entry in entries.items():
            try:
                _link(together, layout.claim_file(run), {run: entry})
            except XamsflowError as error:
                refused[run] = error
    finally:
        together.unlink()
    return refused


def _link(together: Path, file: Path, entry: receipts.Receipt) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        os.link(together, file)
    except OSError:  # there are file systems without links, or with a limit on them
        receipts.write(file, entry, durable=False)


def _read(run: str) -> receipts.Receipt:
    try:
        return read_file(layout.claim_file(run))
    except (FileNotFoundError, BadDataError):
        return {}
