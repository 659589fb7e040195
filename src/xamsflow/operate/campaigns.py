"""What people do with a campaign: start, pause, resume, retry, end and accept it.

Each step may be interrupted at any point and repeated: the run documents show what is left to do,
and each run is changed atomically.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xamsflow.base import amounts
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.operate import lineages as operate_lineages
from xamsflow.rundb import RunDatabase, Status
from xamsflow.rundb.campaign_changes import PutBack, Request
from xamsflow.settings.config import Config
from xamsflow.state import campaigns, layout, lineages, run_numbers
from xamsflow.state.campaigns import Campaign, Phase
from xamsflow.state.lineages import Kept

TOGETHER = 1000
"""Number of runs that are requested together, after their published data have been kept."""

NOT_CHANGED = "its run document could not be changed, or there are several"

ACTIONS = {
    "start": (Phase.NEW, Phase.RUNNING),
    "pause": (Phase.RUNNING, Phase.PAUSED),
    "resume": (Phase.PAUSED, Phase.RUNNING),
    "retry": (Phase.RUNNING,),
    "end": (Phase.NEW, Phase.RUNNING, Phase.PAUSED, Phase.ENDED),
    "accept": (Phase.ENDED,),
    "back": (Phase.ENDED,),
}
"""The phases in which each action is allowed; repeating an interrupted action completes it."""


_WORDS = {
    Phase.NEW: "has not been started",
    Phase.RUNNING: "is running",
    Phase.PAUSED: "is paused",
    Phase.ENDED: "has ended",
}


def check(campaign: Campaign, action: str) -> None:
    """Raise ConfigurationError if an action is impossible now."""
    if campaign.phase in ACTIONS[action]:
        return
    if action in ("accept", "back") and campaign.is_open:
        raise ConfigurationError(
            f"the campaign {campaign.name} has not ended",
            f"once its runs are done: xamsflow campaign end {campaign.name}",
        )
    remedies = {
        Phase.NEW: f"xamsflow campaign start {campaign.name}",
        Phase.RUNNING: f"xamsflow campaign show {campaign.name} shows its progress",
        Phase.PAUSED: f"xamsflow campaign resume {campaign.name}",
        Phase.ENDED: "an ended campaign cannot be changed; create a new one",
    }
    raise ConfigurationError(
        f"cannot {action} the campaign {campaign.name}, which {_WORDS[campaign.phase]}",
        remedies[campaign.phase],
    )


def check_runs(name: str, runs: Iterable[int]) -> None:
    """Raise ConfigurationError if a run belongs to another campaign that has not ended.

    Damaged campaigns are ignored, because nobody can continue them.
    """
    wanted = set(runs)
    found, _ = campaigns.read_all()
    for other in found:
        shared = wanted.intersection(other.runs)
        if shared and other.name != name and other.phase is not Phase.ENDED:
            words = run_numbers.words(shared)
            raise ConfigurationError(
                f"the campaign {other.name}, which has not ended, has run {' '.join(words[:10])}",
                f"leave them out, or xamsflow campaign end {other.name}",
            )


def start(
    database: RunDatabase, settings: Config, campaign: Campaign, action: str, by: str
) -> dict[int, str]:
    """Start or resume a campaign: request the runs that it has not requested.

    Before that, the published data of each run are kept in use. Returns why runs were left out.
    """
    check(campaign, action)
    check_runs(campaign.name, campaign.runs)
    campaigns.write(campaign.after(Phase.RUNNING, action, by))
    database.hold_campaign(campaign.name, paused=False)
    request = _request(campaign, action, by)
    left_out: dict[int, str] = {}
    allowed = database.allow(campaign.ranges, request)
    waiting = [number for number in reversed(campaign.runs) if number in allowed]
    for first in range(0, len(waiting), TOGETHER):
        kept = []
        for number in waiting[first : first + TOGETHER]:
            with _leaving_out(left_out, number):
                _keep(settings, number, by, request.reason)
                kept.append(number)
        left_out |= dict.fromkeys(database.apply(kept, request), NOT_CHANGED)
    return left_out


def pause(database: RunDatabase, campaign: Campaign, by: str) -> dict[int, str]:
    """Pause a campaign: runs in progress finish, and waiting runs revert to their earlier state.

    Failed runs of the campaign that have been retried are held back until it is resumed. Returns
    why runs were left out.
    """
    check(campaign, "pause")
    campaigns.write(campaign.after(Phase.PAUSED, "pause", by))
    database.hold_campaign(campaign.name, paused=True)  # runs released later do not continue
    put_back = PutBack(campaign.name, by, _reason(campaign, "pause"))
    return dict.fromkeys(database.apply(campaign.runs, put_back), NOT_CHANGED)


def retry(database: RunDatabase, campaign: Campaign, by: str) -> dict[int, str]:
    """Request the failed runs of a campaign again; return why runs were left out."""
    check(campaign, "retry")
    campaigns.write(campaign.after(Phase.RUNNING, "retry", by))
    request = _request(campaign, "retry", by, again=True)
    return dict.fromkeys(database.apply(campaign.runs, request), NOT_CHANGED)


def end(database: RunDatabase, settings: Config, campaign: Campaign, by: str) -> dict[int, str]:
    """End a campaign: runs in progress finish, and waiting runs revert to their earlier state.

    The current settings apply again to runs without new data. Returns why runs were left out.
    """
    check(campaign, "end")
    campaigns.write(campaign.after(Phase.ENDED, "end", by))
    put_back = PutBack(campaign.name, by, _reason(campaign, "end"), retried=True)
    left_out = dict.fromkeys(database.apply(campaign.runs, put_back), NOT_CHANGED)
    database.hold_campaign(campaign.name, paused=False)
    processed = settings.storage.processed
    for number in _not_requested(database, campaign):
        with _leaving_out(left_out, number):
            kept = lineages.read(processed, layout.run_id(number))
            if (
                kept is not None
                and kept.reason.startswith(_began(campaign))
                and not operate_lineages.is_remade(processed, kept)  # at a person's own request
            ):
                lineages.accept(processed, kept.run_id, by, _reason(campaign, "end"))
    return left_out


def accept(
    database: RunDatabase, settings: Config, campaign: Campaign, by: str, reason: str
) -> dict[int, str]:
    """Switch a campaign to its new data; return why runs were left out.

    Raises ConfigurationError, and changes nothing, if runs have not been compared since they were
    reprocessed. For runs that are not done, the earlier data remain in use.
    """
    check(campaign, "accept")
    processed = settings.storage.processed
    left_out: dict[int, str] = {}
    kept: dict[int, Kept] = {}
    for number in campaign.runs:
        with _leaving_out(left_out, number):
            record = lineages.read(processed, layout.run_id(number))
            if record is not None and not record.accepted:
                kept[number] = record
    done = {
        row.number
        for row in database.each_run(run_numbers.each(kept))
        if row.status is Status.DONE and row.campaign == campaign.name
    }
    left_out |= dict.fromkeys(kept.keys() - done, "it has not been reprocessed")
    not_compared = []
    for number in sorted(done):
        with _leaving_out(left_out, number):  # reproduced as before, or unknown
            operate_lineages.check_remade(processed, kept[number])
        if number in left_out:
            continue
        try:
            operate_lineages.check_compared(processed, kept[number])
        except XamsflowError:
            not_compared.append(number)
    if not_compared:
        words = run_numbers.words(not_compared)
        have = "has" if len(not_compared) == 1 else "have"
        raise ConfigurationError(
            f"{amounts.runs(len(not_compared))} of the campaign {campaign.name} {have} not been "
            f"compared since being reprocessed ({' '.join(words[:10])})",
            f"first see what changed: `xamsflow compare {campaign.name}`",
        )
    campaigns.write(campaign.after(campaign.phase, "accept", by, reason))
    for number in sorted(done - left_out.keys()):
        with _leaving_out(left_out, number):
            operate_lineages.accept(processed, layout.run_id(number), by, reason)
    return left_out


def back(
    database: RunDatabase, settings: Config, campaign: Campaign, by: str, reason: str
) -> dict[int, str]:
    """Switch a campaign back to the earlier data; return why runs were left out.

    If another campaign has requested a run, the run's earlier data are not those of this campaign.
    """
    check(campaign, "back")
    campaigns.write(campaign.after(campaign.phase, "back", by, reason))
    processed = settings.storage.processed
    left_out: dict[int, str] = {}
    for row in database.each_run(campaign.ranges):
        with _leaving_out(left_out, row.number):
            if lineages.read(processed, row.run) is None:
                continue
            if row.campaign not in (None, campaign.name):
                raise ConfigurationError(
                    f"the campaign {row.campaign} has requested it",
                    f"`xamsflow lineage {row.number} --back` switches it back",
                )
            lineages.back(processed, row.run, by, reason)
    return left_out


@contextmanager
def _leaving_out(left_out: dict[int, str], number: int) -> Iterator[None]:
    """Record why a run is left out, and continue with the others."""
    try:
        yield
    except XamsflowError as error:
        left_out[number] = str(error)


def _not_requested(database: RunDatabase, campaign: Campaign) -> list[int]:
    """Return the runs that a campaign has not requested, or has put back, newest first."""
    requested = database.requested_by(campaign.name, campaign.ranges)
    return [number for number in reversed(campaign.runs) if number not in requested]


def _keep(settings: Config, number: int, by: str, reason: str) -> None:
    """Keep the published data of a run in use until the new data are accepted.

    If nothing is published, nothing is kept. Raises an error if that is unknown.
    """
    processed, run = settings.storage.processed, layout.run_id(number)
    if lineages.published(processed, run):
        lineages.keep(processed, run, by, reason)


def _request(campaign: Campaign, action: str, by: str, *, again: bool = False) -> Request:
    reason = _reason(campaign, action)
    return Request(campaign.name, campaign.targets, by, reason, again, str(Path.cwd()))


def _reason(campaign: Campaign, action: str) -> str:
    words = f"{_began(campaign)}{action}"
    return f"{words} ({campaign.reason})" if campaign.reason else words


def _began(campaign: Campaign) -> str:
    return f"campaign {campaign.name}: "
