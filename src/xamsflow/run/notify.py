"""Messages to people who are not watching: failures, recovery, odd runs, outages, full disks.

A command of the site sends them, by mail or to a chat: it gets the message on its standard input
and the facts in its environment (``XAMSFLOW_EVENT``, ``XAMSFLOW_SUBJECT``, …). Nothing from a run
document is ever part of a command line. The command never delays processing: it runs in parallel,
with a time limit, and unsent messages are sent again at the next opportunity.

A file in the working directory records what was sent, so that nothing is sent twice within
``notify.repeat_h``, however many processes detect it.
"""

import contextlib
import functools
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from xamsflow.base import amounts, clock, folders, schema
from xamsflow.base.errors import BadDataError, ConfigurationError, TransientError, XamsflowError
from xamsflow.run.failures import Failure
from xamsflow.settings.config import Config, Notify
from xamsflow.state import layout, lock, receipts
from xamsflow.state.health import Health

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase, RunSummary

logger = logging.getLogger(__name__)

GB = 1_000_000_000

CHECK_PAUSE = timedelta(minutes=10)
"""Minimum time between two checks for silence, however often they are requested."""

AGAIN = timedelta(minutes=5)
"""Time until an unsent message is sent again."""

KEPT = 50
"""Maximum number of unsent messages, and of failed runs, that are kept."""

LONGEST_FACT = 4000
"""Maximum length in characters; an environment has limits, and nobody reads more."""


@dataclass(frozen=True)
class Message:
    """A message to people.

    `key` names its topic and `state` the topic's state: a message with the same key and state is
    not sent again for a while.
    """

    event: str
    key: str
    state: str
    subject: str
    text: str
    facts: dict[str, str] = field(default_factory=dict)


_P = ParamSpec("_P")


def _harmless(
    tell: Callable[Concatenate[Config, _P], None],
) -> Callable[Concatenate[Config, _P], None]:
    """Make a function do nothing without a command, and never raise an error."""

    @functools.wraps(tell)
    def call(config: Config, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        if config.notify.command is None:
            return
        try:
            tell(config, *args, **kwargs)
        except Exception as error:  # a message must not stop processing
            logger.warning("notifications: %s: %s", type(error).__name__, error)

    return call


@_harmless
def failed(config: Config, run: str, *, stage: str, failure: Failure, log: Path) -> None:
    """Report that a run failed; of runs that fail in the same way, only the first is reported."""
    reason, kind, path = _clean(failure.reason), failure.failure.value, str(log.absolute())
    with _memory(config.notify) as memory:
        failing = memory.kept.setdefault("failing", {"since": clock.now().isoformat(), "runs": []})
        failing["runs"] = [*failing["runs"], run][-KEPT:]
        memory.tell(
            Message(
                event="failure",
                # Without details that differ between runs: one unreachable host may fail many.
                key=f"failure {stage} {kind} {re.sub('[0-9]+', '#', reason)}",
                state="failed",
                subject=f"run {run} failed in {stage}: {_short(reason)}",
                text=(
                    f"Run {run} failed in {stage} ({kind}):\n{reason}\n\nlog: {path}\n\n"
                    f"xamsflow show {run} shows the details and whether the run is retried;\n"
                    "xamsflow status --failed shows all failed runs. Other runs that fail in the\n"
                    f"same way are not reported for {config.notify.repeat_h:g} h.\n"
                ),
                facts={"run": run, "stage": stage, "reason": reason, "failure": kind, "log": path},
            )
        )


@_harmless
def succeeded(config: Config, run: str) -> None:
    """Report that a run is done, if it is the first after failures."""
    with _memory(config.notify) as memory:
        failing = memory.kept.pop("failing", None)
        if failing is None:
            return
        others = " ".join(sorted(set(failing["runs"]) - {run})) or "none"
        memory.tell(
            Message(
                event="recovery",
                key=f"recovery {failing['since']}",
                state="done",
                subject=f"run {run} is done, the first after failures",
                text=(
                    f"Run {run} is done. Other runs failed since {failing['since']}: {others}\n"
                    "\nxamsflow status --failed shows which of them are still failed.\n"
                ),
                facts={"run": run},
            )
        )


@_harmless
def odd(config: Config, health: Health, names: Sequence[str]) -> None:
    """Report that the quantities `names` of a run differ from those of earlier runs."""
    run = health.run_id
    found = [one for one in health.odd if one.name in names]
    lines = "".join(f"  {_clean(str(one))}\n" for one in found)
    listed = ", ".join(names)
    with _memory(config.notify) as memory:
        memory.tell(
            Message(
                event="odd",
                key=f"odd {health.detector} {health.mode}",
                state=f"{run} {listed}",
                subject=f"run {run} is odd: {_short(listed)}",
                text=(
                    f"Run {run} differs from {health.reference}:\n{lines}\n"
                    f"xamsflow show {run} shows more. Later runs with the same deviations are not\n"
                    f"reported. If the cause is known, note it:\n"
                    f"xamsflow health {run} --known TEXT\n"
                ),
                facts={"run": run, "quantities": listed},
            )
        )


@_harmless
def check(
    config: Config,
    database: "RunDatabase | None",
    ask_places: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Check for silence, full disks and places that do not respond; resend unsent messages.

    Call it as often as you like: it checks at most every CHECK_PAUSE. If `database` is None, the
    run database is unreachable. `ask_places` returns the other places that do not respond, each
    with the reason. A place is reported if it did not respond at the previous check either.
    """
    now = clock.now()
    with _memory(config.notify) as memory:
        last = memory.kept.get("checked")
        if last and _age(last) < CHECK_PAUSE:
            return
        memory.kept["checked"] = now.isoformat()
    silent = dict(ask_places())
    found = _space(config)
    if database is None:
        silent[_database(config)] = (
            "no runs are processed until it responds; outcomes are kept and published then"
        )
    else:
        found.append(_absence(config.notify, database.each_run(), now))
    with _memory(config.notify) as memory:
        before = memory.kept.get("silent", {})
        memory.kept["silent"] = {place: before.get(place, now.isoformat()) for place in silent}
        for place, since in before.items():
            found.append(_silent(place, since, silent.get(place)))
            if place not in silent and memory.has_told(found[-1]):
                found.append(_answers_again(place, since))
        for message in found:
            memory.tell(message)


def send_test(settings: Notify) -> None:
    """Send a test message now, so that a person can see whether it arrives.

    Raises XamsflowError with the command's output if the command fails.
    """
    _send(
        settings,
        Message(
            event="test",
            key="test",
            state="",
            subject="a test of notifications",
            text="This is a test, sent by xamsflow doctor --notify.\n",
        ),
    )


def finish() -> None:
    """Wait for the commands that are still running; each has a time limit."""
    for thread in list(_threads):
        thread.join()


def _space(config: Config) -> list[Message]:
    """Return a message for each disk that holds folders of `storage`."""
    disks: dict[int, list[str]] = {}
    for name in ("live_data", "processed"):
        there = folders.existing(getattr(config.storage, name))
        disks.setdefault(there.stat().st_dev, []).append(name)
    found = []
    for names in disks.values():
        folder: Path = getattr(config.storage, names[0]).absolute()
        free = shutil.disk_usage(folders.existing(folder)).free
        low = free < config.notify.space_left_gb * GB
        left = amounts.size(free)
        settings = " and ".join(f"storage.{name}" for name in names)
        message = Message(
            event="space",
            key=f"space {folder}",
            state="low" if low else "",
            subject=f"only {left} left for {settings}",
            text=(
                f"The disk with {folder} ({settings}) has {left} left; "
                f"notify.space_left_gb is {config.notify.space_left_gb:g}.\n"
            ),
            facts={"folder": str(folder), "free_bytes": str(free)},
        )
        found.append(message)
    return found


def _database(config: Config) -> str:
    return f"the run database {config.rundb.database}.{config.rundb.collection}"


def _silent(place: str, since: str, reason: str | None) -> Message:
    """Return the message about a place that does not respond (`reason` None: responds again)."""
    return Message(
        event="absence",
        key=f"silent {place}",
        state="silent" if reason is not None else "",
        subject=f"{place} does not respond",
        text=(
            f"{_capital(place)} has not responded since {since} or earlier:\n"
            f"{_clean(reason or '')}\n\n"
            "To look for the cause, run xamsflow doctor.\n"
        ),
    )


def _answers_again(place: str, since: str) -> Message:
    return Message(
        event="recovery",
        key=f"answers {place} {since}",
        state="answers",
        subject=f"{place} responds again",
        text=f"{_capital(place)} responds again; it had not responded since {since} or earlier.\n",
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _absence(settings: Notify, rows: "Iterable[RunSummary]", now: datetime) -> Message:
    """Return the message about silence: no run has finished for long, although runs are waiting."""
    limit = timedelta(hours=settings.absence_h)
    last, finished, waiting = None, datetime.min.replace(tzinfo=UTC), []
    for row in rows:
        if row.status == "done" and row.changed is not None:
            if row.changed > finished:
                last, finished = row, row.changed
        elif row.status in ("pending", "submitted", "running") and row.end is not None:
            # A run set pending by hand has no time of change: it has been waiting since its end.
            since = row.changed if row.status == "pending" and row.changed else row.end
            if now - since > limit:
                waiting.append(row)
    silent = last is None or now - finished > limit
    quiet = bool(waiting) and silent
    before = (
        "no run has ever finished"
        if last is None
        else f"the last one was {last.run} at {amounts.time(finished)} UTC"
    )
    numbers = " ".join(row.run for row in waiting[:20])
    return Message(
        event="absence",
        key="absence",
        state=f"after {last.run if last else 'nothing'}" if quiet else "",
        subject=f"no run has finished for {settings.absence_h:g} h; waiting runs: {len(waiting)}",
        text=(
            f"No run has finished for more than {settings.absence_h:g} h; {before}.\n"
            f"{len(waiting)} runs have waited longer: {numbers}{' …' if waiting[20:] else ''}\n\n"
            "To look for the cause, run xamsflow doctor.\n"
        ),
        facts={"waiting": str(len(waiting))},
    )


class _Memory:
    """The messages sent before, and those to send now; `kept` is the content on disk."""

    def __init__(self, settings: Notify, kept: dict[str, Any]) -> None:
        self.kept = kept
        self.sending: list[Message] = []
        self._settings = settings

    def tell(self, message: Message) -> None:
        """Send a message at the end, unless it was sent before.

        A message with an empty state is never sent; it marks the topic as settled.
        """
        if message.event not in self._settings.events:
            return
        repeat = timedelta(hours=self._settings.repeat_h)
        told, now = self.kept.setdefault("told", {}), clock.now()
        before = told.get(message.key)
        if not message.state:
            told.pop(message.key, None)
        elif not before or before[0] != message.state or _age(before[1]) >= repeat:
            told[message.key] = [message.state, now.isoformat()]
            self.sending.append(message)

    def has_told(self, message: Message) -> bool:
        """Return whether a message with this key was sent and has not been settled since."""
        return message.key in self.kept.get("told", {})

    def clean(self) -> None:
        """Forget what was sent long ago, and resend unsent messages."""
        repeat = timedelta(hours=self._settings.repeat_h)
        told = self.kept.get("told", {})
        self.kept["told"] = {key: told[key] for key in told if _age(told[key][1]) < repeat}
        unsent = self.kept.get("unsent", [])
        due = [one for one in unsent if _age(one["time"]) >= AGAIN]
        self.kept["unsent"] = [one for one in unsent if one not in due]
        self.sending += [Message(**one["message"]) for one in due]


def _age(time: str) -> timedelta:
    """Return how long ago a time is; one in the future, from a wrong clock, counts as very old."""
    try:
        age = clock.now() - datetime.fromisoformat(time)
    except ValueError:
        return timedelta.max
    return age if age >= timedelta() else timedelta.max


@contextlib.contextmanager
def _memory(settings: Notify) -> Iterator[_Memory]:
    """Yield the record of messages under a lock; then save the changes, and send new messages."""
    directory = Path.cwd()
    with _kept(directory) as kept:
        memory = _Memory(settings, kept)
        memory.clean()
        yield memory
    _threads[:] = [thread for thread in _threads if thread.is_alive()]
    for message in memory.sending:
        thread = threading.Thread(
            target=_send_or_keep, args=(settings, message, directory), name="notify", daemon=True
        )
        _threads.append(thread)
        thread.start()


_threads: list[threading.Thread] = []


@contextlib.contextmanager
def _kept(directory: Path) -> Iterator[dict[str, Any]]:
    path = directory / layout.NOTIFIED
    with lock.exclusive(path.with_suffix(".lock")):
        yield (kept := _read(path))
        receipts.write(path, kept)


def _read(path: Path) -> dict[str, Any]:
    """Return what was sent; nothing if the file is unusable, so that people are notified again."""
    try:
        kept = receipts.read(path)
    except (FileNotFoundError, BadDataError):
        return {}
    mistake = schema.mistake(kept, layout.SCHEMAS / "notified.schema.yaml")
    if mistake is not None:
        logger.warning("replacing %s: %s", path, mistake)
        return {}
    return kept


def _send_or_keep(settings: Notify, message: Message, directory: Path) -> None:
    try:
        _send(settings, message)
    except Exception as error:  # nobody else would notice it in a thread
        logger.warning("notifications: %s", error)
        unsent = {"time": clock.now().isoformat(), "message": asdict(message), "error": str(error)}
        with contextlib.suppress(XamsflowError, OSError), _kept(directory) as kept:
            kept["unsent"] = [*kept.get("unsent", []), unsent][-KEPT:]


def _send(settings: Notify, message: Message) -> None:
    """Run the site's command with a message, and wait for it to end."""
    from xamsflow.rundb.credentials import PASSWORD_VARIABLE, USER_VARIABLE  # noqa: PLC0415 - not loaded while the Snakefile is parsed

    assert settings.command is not None, "callers look first"
    program = f"notify.command {settings.command[0]}"
    facts = {"event": message.event, "subject": message.subject, **message.facts}
    environment = os.environ | {
        f"XAMSFLOW_{key.upper()}": _clean(facts[key])[:LONGEST_FACT] for key in facts
    }
    for name in (USER_VARIABLE, PASSWORD_VARIABLE):
        environment.pop(name, None)
    # Files, not pipes: processes that the command leaves in the background may keep pipes open.
    with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as said:
        text.write(f"{message.subject}\n\n{message.text}".encode())
        text.seek(0)
        try:
            process = subprocess.Popen(
                settings.command,
                stdin=text,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigurationError(
                f"{program} cannot be run ({error.strerror})", "correct it in the configuration"
            ) from error
        try:
            code = process.wait(settings.timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TransientError(
                f"{program} was still running after {settings.timeout_s:g} s and was killed",
                "check whether its server can be reached",
            ) from error
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if code != 0:
        raise ConfigurationError(
            f"{program} failed with code {code}: {_short(lines[-1] if lines else 'no output')}",
            "try to run it by hand",
        )


def _clean(text: str) -> str:
    """Return text that an environment and UTF-8 can hold; file names may have other bytes."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"
