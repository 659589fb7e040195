"""Which driver answers for a run, told to the run's jobs by a file.

A job reports to the run document only in the name of the claim, so that one that outlived its
driver cannot write over what a later driver says.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from xamsflow import layout, receipts
from xamsflow.errors import BadDataError


@dataclass(frozen=True)
class Claim:
    """A run's status is `owner`'s to change; `attempt` counts how often the run was claimed.

    `shortages` counts the attempts that failed for want of resources since the run was asked for.
    """

    number: int
    owner: str
    attempt: int
    shortages: int = 0


def write(claim: Claim, targets: Sequence[str], *, follow: bool = False) -> None:
    """Tell a run's jobs of a claim, which data types are wanted last, and whether to follow it."""
    about = {**asdict(claim), "targets": list(targets), "follow": follow}
    # After a power cut there is no driver that it could speak of.
    receipts.write(layout.claim_file(layout.run_id(claim.number)), about, durable=False)


def read(run: str) -> Claim | None:
    """Return the claim on a run, None where no driver answers for its status."""
    about = _read(run)
    try:
        return Claim(about["number"], about["owner"], about["attempt"], about["shortages"])
    except KeyError:
        return None


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
    """Tell that its owner answers for the run no more; another driver's claim stays."""
    run = layout.run_id(claim.number)
    if read(run) == claim:
        layout.claim_file(run).unlink(missing_ok=True)


def _read(run: str) -> receipts.Receipt:
    try:
        return receipts.read(layout.claim_file(run))
    except (FileNotFoundError, BadDataError):
        return {}
