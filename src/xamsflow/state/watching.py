"""The sign of life of ``xamsflow watch`` for everybody who looks at its working directory."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from xamsflow.base import amounts, clock, process
from xamsflow.base.errors import XamsflowError
from xamsflow.state import layout, owner, receipts

SILENT_S = 60.0
"""A watch that has not looked for this long, or for LATE_ROUNDS of its intervals, is silent."""

LATE_ROUNDS = 3


@dataclass(frozen=True)
class Watching:
    """A watch that was not ended properly: its process, and when it last read the run database."""

    owner: str
    host: str
    last_look: datetime
    interval_s: float

    @property
    def age_s(self) -> float:
        """Time since the last query."""
        return max(0.0, (clock.now() - self.last_look).total_seconds())

    @property
    def has_died(self) -> bool:
        """Whether the process is gone, as far as this host can know."""
        return owner.is_dead(self.owner, self.age_s)

    @property
    def silent_after_s(self) -> float:
        """Time without a look after which the watch is silent."""
        return max(SILENT_S, LATE_ROUNDS * self.interval_s)

    @property
    def is_silent(self) -> bool:
        """Whether the last query is too old for a healthy watch."""
        return self.age_s > self.silent_after_s

    @property
    def is_well(self) -> bool:
        """Whether it is alive and looks regularly."""
        return not (self.has_died or self.is_silent)

    def to_json(self) -> dict[str, Any]:
        """Return what ``status --json`` says."""
        return {
            "owner": self.owner,
            "host": self.host,
            "last_look": self.last_look.isoformat(),
            "age_s": round(self.age_s, 1),
            "is_well": self.is_well,
        }

    def __str__(self) -> str:
        state = " has died" if self.has_died else ""
        return f"watch on {self.host}{state}, last query {amounts.duration(round(self.age_s))} ago"


def looked(interval_s: float) -> None:
    """Note that this process has just read the run database, as it does every `interval_s`.

    Raises the errors of :func:`xamsflow.state.receipts.write`.
    """
    sign = {
        "owner": str(owner.current()),
        "host": process.host(),
        "last_look": clock.now().isoformat(),
        "interval_s": interval_s,
    }
    receipts.write(layout.WATCHING, sign, durable=False)


def ended() -> None:
    """Remove the sign of life of this process; that of another one stays."""
    found = current()
    if found is not None and found.owner == str(owner.current()):
        layout.WATCHING.unlink(missing_ok=True)


def current() -> Watching | None:
    """Return the watch of the working directory, or None if none was started or it has ended."""
    try:
        sign = receipts.read(layout.WATCHING)
        moment = datetime.fromisoformat(sign["last_look"]).astimezone(UTC)
        return Watching(str(sign["owner"]), str(sign["host"]), moment, float(sign["interval_s"]))
    except (OSError, XamsflowError, KeyError, TypeError, ValueError):
        return None
