"""The runs that a driver has claimed, and the targets of each."""

import contextlib
import os
import threading
from collections.abc import Container, Iterable

from xamsflow.base import clock, system_errors
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout
from xamsflow.state.claims import Claim, Order


class ClaimedRuns:
    """A driver's claims, which its runs' jobs read from files. Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._claims: dict[str, Claim] = {}
        self._targets: dict[str, tuple[str, ...]] = {}
        self._followed: set[str] = set()
        self._earlier: dict[str, tuple[int, int] | None] = {}

    def want(
        self, number: int, mode: str, *, is_taken: bool, targets: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Record and return the targets of a run with this mode; the run may still be in progress.

        If `targets` is None, those of the settings apply.
        """
        targets, run = targets or self._config.targets_for(mode), layout.run_id(number)
        with self._lock:
            self._targets[run] = targets
            if is_taken and self._config.select.follow:
                self._followed.add(run)
        return targets

    def is_wanted(self, run: str) -> bool:
        """Return whether the targets of a run are known."""
        return run in self._targets

    def targets(self, run: str) -> tuple[str, ...]:
        """Return the targets of a run; its jobs know them from the claim."""
        return self._targets.get(run) or claims.targets(run) or self._config.targets

    def follows(self, run: str) -> bool:
        """Return whether a run is, or was, followed; its jobs know it from the claim.

        If following was interrupted and the run has ended since, it is not followed.
        """
        if run in self._targets:
            return run in self._followed or _was_followed(run)
        return claims.follows(run) or _was_followed(run)

    def shortages(self, run: str) -> int:
        """Return how often a run ran out of resources; its jobs know it from the claim."""
        claim = self.claim(run)
        return claims.shortages(run) if claim is None else claim.shortages

    def claim(self, run: str) -> Claim | None:
        """Return the claim on a run, or None if it is not held."""
        return self._claims.get(run)

    def all(self) -> dict[str, Claim]:
        """Return the current claims, by run."""
        with self._lock:
            return dict(self._claims)

    def hold(
        self, taken: Iterable[Claim], *, reprocess: Container[int]
    ) -> dict[str, XamsflowError]:
        """Take responsibility for claimed runs; return, by run, why one cannot be started.

        For the runs in `reprocess`, earlier data do not count.
        """
        held = {layout.run_id(claim.number): claim for claim in taken}
        earlier = {run: _published(run) for run in held}
        with self._lock:
            self._earlier |= earlier
            self._claims |= held  # first, so that they are released whatever happens
        refused: dict[str, XamsflowError] = {}
        for run, claim in held.items():
            if claim.number in reprocess:
                try:
                    _set_aside_what_was_made(run)
                except XamsflowError as error:
                    refused[run] = error
        return refused | claims.write(
            [
                Order(claim, self._targets[run], follow=run in self._followed)
                for run, claim in held.items()
                if run not in refused
            ]
        )

    def is_published(self, run: str) -> bool:
        """Return whether a held run was published since it was claimed.

        The receipt of an earlier outcome may still exist, because a run requested by name keeps it.
        """
        if self.claim(run) is None:
            return False
        return _published(run) not in (None, self._earlier.get(run))

    def forget(self, run: str) -> bool:
        """Give up responsibility for a run; return False if it is not held."""
        with self._lock:
            claim = self._claims.pop(run, None)
        if claim is None:
            return False
        with contextlib.suppress(OSError, XamsflowError):  # a leftover file claims nothing
            claims.remove(claim)
        return True


def _was_followed(run: str) -> bool:
    return os.path.exists(layout.follow_receipt(run))  # noqa: PTH110 - False if it may not be read


def _published(run: str) -> tuple[int, int] | None:
    """Return the identity of the receipt of a run's outcome; None if there is no receipt."""
    try:
        receipt = layout.rundoc_receipt(run).stat()
    except OSError:  # an unreadable receipt proves nothing
        return None
    return receipt.st_ino, receipt.st_mtime_ns


def set_published_aside(run: str) -> None:
    """Rename an earlier `rundoc.json` by the current time, because a new outcome will follow."""
    published = layout.rundoc_receipt(run)
    time = clock.now().strftime("%Y%m%dT%H%M%S")
    try:
        published.rename(published.with_suffix(f".{time}.json"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise system_errors.cannot("write", published, error) from error


def _set_aside_what_was_made(run: str) -> None:
    """Move the receipts of a run's data types to another folder, so that they no longer count."""
    earlier = layout.earlier_receipts(run, clock.now())
    try:
        for receipt in layout.receipts_of_data_types(run):
            earlier.mkdir(parents=True, exist_ok=True)
            receipt.rename(earlier / receipt.name)
    except OSError as error:
        raise system_errors.cannot("write", earlier, error) from error
