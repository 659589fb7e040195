"""The earlier runs with which a run is compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from xamsflow.analysis.health import comparison
from xamsflow.base.errors import XamsflowError
from xamsflow.state import health, layout, quantities
from xamsflow.state.health import Health, Verdict
from xamsflow.state.quantities import Quantities

MOST = 50
"""Number of reference runs: enough for a precise spread, few enough to follow slow changes."""

LOOK_BACK = 1000
"""Maximum number of runs to look back; older runs of the same mode say little about today."""


@dataclass(frozen=True)
class References:
    """Reference runs, newest first, and the verdict on the last run that was judged.

    If someone declared a run the reference and there are too few later runs, `named` is that run,
    and `runs` are the runs before it, which define only the spread.
    """

    runs: tuple[Quantities, ...]
    named: Quantities | None
    previous: Health | None
    mode: str

    @property
    def compared(self) -> tuple[Quantities, ...]:
        """The runs with which a run is compared."""
        return self.runs if self.named is None else (self.named,)

    def __str__(self) -> str:
        if self.named is not None:
            return f"run {self.named.run_id}, which was declared as reference"
        if not self.runs:
            return f"no earlier run of mode {self.mode!r}"
        first, last = self.runs[-1].run_id, self.runs[0].run_id
        n = len(self.runs)
        return f"{n} earlier run{'' if n == 1 else 's'} of mode {self.mode!r}, {first} to {last}"


def find(run: Quantities) -> References:
    """Return the reference runs of a run: the last ones of its mode and detector that are not odd.

    Runs before a declared reference do not count. Damaged files are left out.
    """
    found: list[Quantities] = []
    named: Quantities | None = None
    previous: Health | None = None
    for name in earlier(run.run_id)[:LOOK_BACK]:
        verdict = _verdict(name)
        if verdict is not None:
            if (verdict.mode, verdict.detector) != (run.mode, run.detector):
                continue
            if previous is None and verdict.verdict is not Verdict.UNKNOWN:
                previous = verdict
            if verdict.verdict is Verdict.ODD:
                continue
        values = _quantities(name)
        if values is None or (values.mode, values.detector) != (run.mode, run.detector):
            continue
        found.append(values)
        if named is None and verdict is not None and verdict.named_by is not None:
            if len(found) >= comparison.FEWEST:
                break
            named, found = values, []
        if len(found) == MOST:
            break
    return References(tuple(found), named, previous, run.mode)


def earlier(run: str) -> list[str]:
    """Return the runs with a lower number that have files here, newest first."""
    return sorted((name for name in _all() if name < run), reverse=True)


def following(run: str) -> Iterator[Health]:
    """Yield the verdicts on later runs of the same mode and detector, oldest first."""
    of = _verdict(run)
    for name in sorted(name for name in _all() if name > run):
        verdict = _verdict(name)
        if of and verdict and (verdict.mode, verdict.detector) == (of.mode, of.detector):
            yield verdict


def _all() -> list[str]:
    try:
        found = [path.name for path in layout.PAGE.parent.iterdir()]
    except FileNotFoundError:
        return []
    return [name for name in found if layout.is_run_id(name)]


def _verdict(run: str) -> Health | None:
    try:
        return health.read(run)
    except (XamsflowError, OSError):
        return None


def _quantities(run: str) -> Quantities | None:
    try:
        return _read(run, layout.quantities(run).stat().st_mtime_ns)
    except (XamsflowError, OSError):
        return None


@lru_cache(maxsize=4 * MOST)
def _read(run: str, changed_ns: int) -> Quantities | None:  # noqa: ARG001 - part of the key
    """Return the quantities of a run; each file is read only once, even if many runs are judged."""
    return quantities.read(run)
