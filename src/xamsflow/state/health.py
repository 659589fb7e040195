"""The verdict on a run's quantities, as it is kept on disk: usual or odd, and what stands out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from xamsflow.state import layout, receipts

VERSION = 1
"""The version of the file format; files of other versions are rewritten."""


class Verdict(StrEnum):
    """Whether a run looks like earlier runs; `unknown` if there are too few of them."""

    USUAL = "usual"
    ODD = "odd"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Deviation:
    """A quantity that stands out.

    `value` is None if it could not be determined, although it usually can be; then `problem` says
    why. `usual` and `spread` are in the quantity's unit, and `deviation` is in spreads; for texts
    and missing values, there is no spread. `since` is the run in which it began, with the value
    `began`.
    """

    name: str
    value: float | str | None
    usual: float | str
    spread: float | None
    deviation: float | None
    since: str
    began: float | str | None
    problem: str | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}: missing ({self.problem}), usually {_written(self.usual)}"
        if self.spread is None or self.deviation is None:
            return f"{self.name}: {_written(self.value)}, usually {_written(self.usual)}"
        digits = max(0, 1 - math.floor(math.log10(self.spread)))  # as many as the spread deserves
        return (
            f"{self.name}: {_written(self.value, digits)}, usually {_written(self.usual, digits)} "
            f"± {_written(self.spread, digits)} ({self.deviation:+.1f} spreads)"
        )


@dataclass(frozen=True)
class Note:
    """What a person wrote about a problem, at `time` (ISO 8601); `names` are the quantities."""

    text: str
    by: str
    time: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Health:
    """The verdict on a run.

    `start` and `end` are in ns since the epoch, `time` says when the run was judged. `reference`
    says in words with what it was compared, or why it could not be, and `references` are these
    runs. `limit` is the deviation from which a quantity is odd, in spreads, and `n_judged` the
    number of quantities that were compared. `named_by` is the person who declared this run a
    reference. `suspects` are deviations beyond the limit that quantities with such outliers may
    have by chance: they are odd if the next run has them as well.
    """

    run_id: str
    detector: str
    mode: str
    start: int
    end: int
    verdict: Verdict
    odd: tuple[Deviation, ...]
    known: tuple[Note, ...]
    reference: str
    references: tuple[str, ...]
    limit: float | None
    n_judged: int
    time: str
    named_by: str | None = None
    suspects: tuple[Deviation, ...] = ()

    @property
    def ended(self) -> datetime:
        """The end of the run, in UTC."""
        return datetime.fromtimestamp(self.end / 1e9, UTC)

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """The quantities that stand out and have no note."""
        known = {name for note in self.known for name in note.names}
        return tuple(one.name for one in self.odd if one.name not in known)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON under the names of its fields."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def in_document(self) -> dict[str, Any]:
        """Return the run document's ``processing.health``."""
        about = self.to_json()
        return {name: about[name] for name in ("verdict", "odd", "known", "reference", "time")}


def write(found: Health) -> None:
    """Write the verdict on a run, atomically; raises as :func:`xamsflow.state.receipts.write`."""
    receipts.write(layout.health(found.run_id), {"version": VERSION} | found.to_json())


def read(run: str) -> Health | None:
    """Return the verdict on a run, None if there is none yet.

    Raises BadDataError if the file is damaged or has another form.
    """
    return receipts.read_form(
        layout.health(run),
        VERSION,
        _understood,
        is_not="does not contain a verdict on a run",
        remedy=f"create it again: `xamsflow health {int(run)} --again`",
    )


def _understood(content: receipts.Receipt) -> Health:
    return Health(
        **content
        | {
            "verdict": Verdict(content["verdict"]),
            "odd": tuple(Deviation(**one) for one in content["odd"]),
            "suspects": tuple(Deviation(**one) for one in content.get("suspects", ())),
            "known": tuple(
                Note(**one | {"names": tuple(one["names"])}) for one in content["known"]
            ),
            "references": tuple(content["references"]),
        }
    )


def _written(value: float | str, digits: int | None = None) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if digits is None else f"{value:.{digits}f}"


def _plain(value: Any) -> Any:
    """Return a value with plain lists and texts, as JSON and MongoDB hold them."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
