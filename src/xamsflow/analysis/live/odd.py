"""Whether the newest part of a run looks like earlier runs, while the run is being taken.

The run is measured and judged window by window, as it is after its end. A run of many hours has
many windows, so a single odd window means little. A quantity is therefore reported only if it is
odd in two consecutive windows, in the same direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from xamsflow.analysis.health import references, verdict
from xamsflow.analysis.live.feed import RAW, RECORDS, Piece
from xamsflow.analysis.quantities import make, shipped
from xamsflow.analysis.quantities.definition import NotMeasuredError
from xamsflow.analysis.quantities.run_data import Facts, RunData
from xamsflow.base import clock
from xamsflow.redax.rundoc import NS_PER_S, Run
from xamsflow.settings.detector import Detector
from xamsflow.state import layout
from xamsflow.state.health import Deviation, Health
from xamsflow.state.quantities import Quantities

Array = npt.NDArray[Any]

WINDOW_S = 60.0
"""Length of a window: long enough for small errors, short enough for a timely report."""


@dataclass
class _Window(RunData):
    """The newest part of a run, in the form that quantities are measured from."""

    pieces: dict[str, list[Array]] = field(default_factory=dict)

    def rows(self, data_type: str, *columns: str, at_most: int | None = None) -> Array:
        """Return these columns of a data type; with `at_most`, those of the first rows."""
        return self._all(data_type)[list(columns)][:at_most]

    def load(self, data_type: str | Sequence[str], **_: Any) -> Any:
        """Raise NotMeasuredError, because tables contain only runs that have ended."""
        raise NotMeasuredError(f"{data_type} cannot be loaded while the run is being taken")

    def _all(self, data_type: str) -> Array:
        if data_type not in self.pieces:
            raise NotMeasuredError(f"{data_type} is not computed while the run is being taken")
        return np.concatenate(self.pieces[data_type])


class Watch:
    """Judges a run while it is being taken.

    `odd` contains the deviations present in both of the last two windows, and `new` those of them
    without a note that began in this run. `compared` says what the run is compared with, or why it
    is not judged.
    """

    def __init__(self, run: Run, detector: Detector) -> None:
        self.odd: tuple[Deviation, ...] = ()
        self.new: tuple[str, ...] = ()
        self.compared = f"this takes {2 * WINDOW_S:g} s of data"
        self.is_judged = False
        self.health: Health | None = None
        self._run = run
        self._detector = detector
        self._pieces: dict[str, list[Piece]] = {}
        self._before: dict[str, Deviation] = {}
        self._start = run.start

    def add(self, piece: Piece) -> bool:
        """Add a chunk; return whether a window was completed and judged."""
        if piece.n_left_out:  # a rate would be too small
            self._begin(piece.start)
        if not piece.data_type.startswith((RAW, RECORDS)):
            self._pieces.setdefault(piece.data_type, []).append(piece)
        until = min((each[-1].end for each in self._pieces.values()), default=self._start)
        if until - self._start < WINDOW_S * NS_PER_S:
            return False
        self._judge(until)
        self._begin(until)
        return True

    def _begin(self, start: int) -> None:
        """Start a window; chunks of data types that are ahead belong to it."""
        self._start = start
        for name, pieces in self._pieces.items():
            self._pieces[name] = [piece for piece in pieces if piece.start >= start]
        self._pieces = {name: pieces for name, pieces in self._pieces.items() if pieces}

    def _judge(self, until: int) -> None:
        run_id = layout.run_id(self._run.number)
        about = Facts(
            run_id, self._run.mode, self._run.tags, self._start, until, until - self._start
        )
        window = _Window(about, self._detector, Path(), _no_loader)
        window.pieces = {
            name: [piece.data for piece in pieces if piece.start < until]
            for name, pieces in self._pieces.items()
        }
        values = Quantities(
            run_id=run_id,
            detector=self._detector.name,
            mode=self._run.mode,
            start=self._start,
            end=until,
            time=clock.now().isoformat(timespec="seconds"),
            lineage={},
            quantities={
                name: found
                for each in shipped.definitions()
                for name, found in make.measure(each, window).items()
                # Quantities that a minute cannot determine are not missing.
                if found.value is not None
            },
        )
        found = verdict.judge(values, references.find(values), None, values.time)
        # This includes suspects, which are odd once two in a row stand out.
        odd = {one.name: one for one in (*found.odd, *found.suspects) if one.value is not None}
        both = [one for name, one in odd.items() if _continues(self._before.get(name), one)]
        self._before = odd
        self.odd = tuple(both)
        self.compared, self.is_judged = found.reference, found.n_judged > 0
        self.new = tuple(
            one.name for one in both if one.since == run_id and one.name in found.unknown_names
        )
        self.health = replace(found, odd=self.odd)


def _no_loader() -> NoReturn:
    raise NotMeasuredError("nothing is stored while the run is being taken")


def _continues(before: Deviation | None, now: Deviation) -> bool:
    """Return whether a quantity was odd in the same direction before."""
    if before is None:
        return False
    if before.deviation is None or now.deviation is None:
        return before.value == now.value
    return before.deviation * now.deviation > 0
