"""The runs that a driver has claimed, and what is wanted of each run."""

import contextlib
import threading
from collections.abc import Container, Iterable

from xamsflow.base import clock, system_errors
from xamsflow.base.errors import XamsflowError
from xamsflow.settings.config import Config
from xamsflow.state import claims, layout
from xamsflow.state.claims import Claim, Order


class ClaimedRuns:
    """The claims of a driver, also told to the runs' jobs by files; threads may share it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._claims: dict[str, Claim] = {}
        self._targets: dict[str, tuple[str, ...]] = {}
        self._followed: set[str] = set()

    def want(self, number: int, mode: str, *, is_taken: bool) -> tuple[str, ...]:
        """Note and return what is wanted of a run with this mode, which may still be taken."""
        targets, run = self._config.targets_for(mode), layout.run_id(number)
        with self._lock:
            self._targets[run] = targets
            if is_taken and self._config.select.follow:
                self._followed.add(run)
        return targets

    def is_wanted(self, run: str) -> bool:
        """Tell whether it is known what is wanted of a run."""
        return run in self._targets

    def targets(self, run: str) -> tuple[str, ...]:
        """Return the last data types wanted of a run; its jobs know them from the claim."""
        return self._targets.get(run) or claims.targets(run) or self._config.targets

    def follows(self, run: str) -> bool:
        """Return whether a run is followed while it is taken, or was; jobs know it from the claim.

        One that was interrupted in that, and has ended since, is not.
        """
        if run in self._targets:
            return run in self._followed or layout.follow_receipt(run).exists()
        return claims.follows(run) or layout.follow_receipt(run).exists()

    def shortages(self, run: str) -> int:
        """Return how often a run failed for want of resources; its jobs know it from the claim."""
        claim = self.claim(run)
        return claims.shortages(run) if claim is None else claim.shortages

    def claim(self, run: str) -> Claim | None:
        """Return the claim on a run, None where it is not held."""
        return self._claims.get(run)

    def all(self) -> dict[str, Claim]:
        """Return the claims as they are now, by run."""
        with self._lock:
            return dict(self._claims)

    def hold(
        self, taken: Iterable[Claim], *, reprocess: Container[int]
    ) -> dict[str, XamsflowError]:
        """Answer for claimed runs from now on; return, by run, why one cannot be begun.

        What was made before of those in `reprocess` does not count.
        """
        held = {layout.run_id(claim.number): claim for claim in taken}
        with self._lock:
            self._claims |= held  # first: whatever happens now, they are given back
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

    def forget(self, run: str) -> bool:
        """Answer for a run no more; False where it is not held."""
        with self._lock:
            claim = self._claims.pop(run, None)
        if claim is None:
            return False
        with contextlib.suppress(OSError):  # a file that is left is nobody's claim any more
            claims.remove(claim)
        return True


def set_published_aside(run: str) -> None:
    """Keep what was published before under the time of now: it does not stand for what will be."""
    published = layout.rundoc_receipt(run)
    time = clock.now().strftime("%Y%m%dT%H%M%S")
    try:
        published.rename(published.with_suffix(f".{time}.json"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise system_errors.cannot("write", published, error) from error


def _set_aside_what_was_made(run: str) -> None:
    """Keep the receipts of a run's data types in a folder beside: they do not count any more."""
    earlier = layout.earlier_receipts(run, clock.now())
    try:
        for receipt in layout.receipts_of_data_types(run):
            earlier.mkdir(parents=True, exist_ok=True)
            receipt.rename(earlier / receipt.name)
    except OSError as error:
        raise system_errors.cannot("write", earlier, error) from error
