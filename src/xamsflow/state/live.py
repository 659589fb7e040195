"""What is known of a run while it is being taken: one small file for each such run.

The files lie together, so that finding them does not depend on the number of runs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import get_type_hints

from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.state import layout, receipts

VERSION = 1
"""The form of the file."""

LATEST = 2**63
"""Larger than any time in ns: strax has 64 bits for them."""

FORGOTTEN = timedelta(hours=1)
"""After this time without news, a run is not counted as being taken."""


@dataclass(frozen=True)
class LiveRun:
    """A run that is followed while it is being taken, as of its newest chunk.

    `start` and `until`, the end of the newest data, are in ns since the epoch. `n_skipped` counts
    chunks that were not looked at because the machine was too busy. `odd` says what stands out,
    one line each; `compared` says with what the run is compared, or if it is not judged, why not.
    `event` is the
    number of the event that is shown, None if there is none. `time` (ISO 8601) is that of the look.
    """

    run_id: str
    mode: str
    start: int
    until: int
    n_chunks: int
    n_skipped: int
    odd: tuple[str, ...]
    is_judged: bool
    compared: str
    event: int | None
    time: str

    @property
    def looked(self) -> datetime:
        """When the data were looked at, in UTC."""
        return datetime.fromisoformat(self.time).astimezone(UTC)


def write(found: LiveRun) -> None:
    """Write what is known of a run, atomically; raises as :func:`.receipts.write`."""
    content = {"version": VERSION} | asdict(found)
    receipts.write(layout.live_file(found.run_id), content, durable=False)


def read(run: str) -> LiveRun | None:
    """Return what is known of a run, None if it is not being followed.

    Raises BadDataError if the file is damaged or has another form.
    """
    return receipts.read_form(
        layout.live_file(run),
        VERSION,
        lambda content: _understood(content, run),
        is_not="does not contain the state of a run",
        remedy="remove it",
    )


def current() -> Sequence[LiveRun]:
    """Return the runs that are being followed here, newest first; unreadable files are left out."""
    found = []
    for path in sorted(layout.LIVE.glob("*.json"), reverse=True):
        if not layout.is_run_id(path.stem):
            continue
        try:
            one = read(path.stem)
        except (XamsflowError, OSError):
            continue
        if one is not None and clock.now() - one.looked < FORGOTTEN:
            found.append(one)
    return found


def forget(run: str) -> bool:
    """Remove what was shown of a run while it was being taken; return whether anything was.

    Raises OSError.
    """
    if not layout.live_file(run).is_file():
        return False
    layout.live_file(run).unlink(missing_ok=True)
    layout.live_event_picture(run).unlink(missing_ok=True)
    layout.overview(run).unlink(missing_ok=True)  # it shows an unfinished run
    return True


def _understood(content: receipts.Receipt, run: str) -> LiveRun:
    found = LiveRun(**content | {"odd": tuple(map(str, content["odd"]))})
    for name, kind in get_type_hints(LiveRun).items():
        if name != "odd" and not isinstance(getattr(found, name), kind):
            raise TypeError(f"{name} is {getattr(found, name)!r:.60}")
    if found.run_id != run or not 0 <= found.start <= found.until < LATEST:
        raise ValueError("another run, or no times of one")
    found.looked  # noqa: B018 - raises ValueError
    return found
