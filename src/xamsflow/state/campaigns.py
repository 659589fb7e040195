"""Campaigns: one file each, with the runs to reprocess and the phase of the campaign.

The run documents show the progress of a campaign. The file contains only people's decisions, so it
is rarely written, and a campaign can be interrupted at any point and continued.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, ConfigurationError, XamsflowError, did_you_mean
from xamsflow.state import layout, lock, receipts, run_numbers

VERSION = 1
"""The version of the file format."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", flags=re.ASCII)


class Phase(StrEnum):
    """The latest decision about a campaign."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True)
class Campaign:
    """A campaign, which reprocesses `runs` up to `targets` (empty: those of the settings).

    `began` is the time of the first start (ISO 8601, UTC), None before it. `history` records who
    did what, and when: `time`, `by`, `action`, `reason`.
    """

    name: str
    runs: tuple[int, ...]
    targets: tuple[str, ...]
    phase: Phase
    reason: str
    began: str | None
    history: tuple[dict[str, Any], ...]

    @property
    def is_open(self) -> bool:
        """Whether the campaign has been started and has not ended."""
        return self.phase in (Phase.RUNNING, Phase.PAUSED)

    @property
    def switch(self) -> dict[str, Any] | None:
        """The last entry of the history in which analysts were switched, None if there is none."""
        switches = [one for one in self.history if one.get("action") in ("accept", "back")]
        return switches[-1] if switches else None

    @property
    def ranges(self) -> tuple[range, ...]:
        """The runs as ranges, for queries."""
        return run_numbers.parse_all(run_numbers.words(self.runs))

    def after(self, phase: Phase, action: str, by: str, reason: str | None = None) -> "Campaign":
        """Return the campaign after somebody has done something with it."""
        now = clock.now().isoformat(timespec="seconds")
        told = {"time": now, "by": by, "action": action, "reason": reason}
        began = self.began or (now if phase is Phase.RUNNING else None)
        entry = {key: value for key, value in told.items() if value is not None}
        return replace(self, phase=phase, began=began, history=(*self.history, entry))


def new(
    name: str, runs: tuple[int, ...], targets: tuple[str, ...], by: str, reason: str
) -> Campaign:
    """Return a new campaign; nothing is written."""
    campaign = Campaign(name, tuple(sorted(runs)), targets, Phase.NEW, reason, None, ())
    return campaign.after(Phase.NEW, "new", by)


def check_name(name: str) -> str:
    """Return the name if it is valid for a campaign; otherwise, raise ConfigurationError.

    A name cannot look like run numbers, because some commands accept both.
    """
    if NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a campaign",
            "use letters, digits, '.', '_' and '-', at most 64, and begin with a letter or digit",
        )
    if name.replace("-", "").isdecimal():
        raise ConfigurationError(
            f"{name!r} cannot be the name of a campaign, because it looks like run numbers",
            "use at least one letter",
        )
    return name


def exists(name: str) -> bool:
    """Return whether there is a campaign with this name."""
    return layout.campaign_file(check_name(name)).exists()


def check_free(name: str) -> None:
    """Raise ConfigurationError if there is a campaign with this name."""
    if exists(name):
        raise ConfigurationError(
            f"the campaign {name} already exists",
            f"choose another name; xamsflow campaign show {name} shows it",
        )


def create(campaign: Campaign) -> None:
    """Write a new campaign; raises as :func:`check_free`, even if the name has just been taken."""
    with lock.at_once(layout.campaign_lock(campaign.name)) as free:
        if not free:
            raise _being_changed(campaign.name)
        check_free(campaign.name)
        write(campaign)


def write(campaign: Campaign) -> None:
    """Write a campaign in one piece, so that it survives a power cut."""
    content = {"version": VERSION, **asdict(campaign), "runs": run_numbers.words(campaign.runs)}
    receipts.write(layout.campaign_file(campaign.name), content)


def read(name: str) -> Campaign:
    """Return a campaign.

    Raises ConfigurationError if there is none of this name, BadDataError for a damaged file.
    """
    path = layout.campaign_file(check_name(name))
    try:
        content = receipts.read(path, ("version", "name", "runs", "targets", "phase", "history"))
    except FileNotFoundError:
        known = names()
        raise ConfigurationError(
            f"there is no campaign {name!r}{did_you_mean(name, known)}",
            f"existing: {', '.join(known)}" if known else "create one with xamsflow campaign new",
        ) from None
    except BadDataError as error:
        raise _damaged(name, error) from error
    try:
        if content["version"] != VERSION or content["name"] != name:
            raise ValueError(f"version {content['version']}, name {content['name']!r}")
        ranges = run_numbers.parse_all(content["runs"])
        return Campaign(
            name=name,
            runs=tuple(sorted({number for part in ranges for number in part})),
            targets=tuple(map(str, content["targets"])),
            phase=Phase(content["phase"]),
            reason=str(content.get("reason") or ""),
            began=content.get("began"),
            history=tuple(_entry(entry) for entry in content["history"]),
        )
    except (AttributeError, ConfigurationError, TypeError, ValueError) as error:
        raise _damaged(name, error) from error


def read_all() -> tuple[list[Campaign], list[XamsflowError]]:
    """Return all campaigns by name, and what is wrong with those that cannot be read."""
    found, problems = [], []
    for name in names():
        try:
            found.append(read(name))
        except XamsflowError as error:
            problems.append(error)
    return found, problems


def names() -> list[str]:
    """Return the names of all campaigns, sorted."""
    found = (path.stem for path in layout.CAMPAIGNS.glob("*.json"))
    return sorted(name for name in found if NAME.fullmatch(name))


@contextmanager
def changing(name: str) -> Iterator[Campaign]:
    """Yield a campaign, locked against changes by others; raises the errors of :func:`read`.

    Raises ConfigurationError if somebody else is changing it. The lock ends with its holder.
    """
    read(name)
    with lock.at_once(layout.campaign_lock(name)) as free:
        if not free:
            raise _being_changed(name)
        yield read(name)


def _entry(content: Any) -> dict[str, Any]:
    if missing := {"time", "by", "action"} - content.keys():
        raise ValueError(f"an entry of the history lacks {', '.join(sorted(missing))}")
    datetime.fromisoformat(content["time"])
    return dict(content)


def _being_changed(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"somebody else is changing the campaign {name}", "wait a moment, then try again"
    )


def _damaged(name: str, error: Exception) -> BadDataError:
    what = (
        error.what if isinstance(error, BadDataError) else f"{layout.campaign_file(name)}: {error}"
    )
    return BadDataError(
        f"the campaign {name} is damaged: {what}",
        "restore the file from a backup, or move it away",
    )
