"""Process runs continuously, as soon as they end."""

import argparse
import contextlib
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from xamsflow.base import clock
from xamsflow.base.errors import XamsflowError
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.state import watching

if TYPE_CHECKING:
    from xamsflow.rundb import RunDatabase

HELP = "process runs as soon as they end, until stopped"

PAGE_PAUSE = timedelta(seconds=30)
"""Minimum time between page updates, each of which reads all run documents."""

PAGE_CHECK = timedelta(minutes=2)
"""Time between page updates when others have changed run documents, which is cheap to detect."""

PAGE_AT_LEAST = timedelta(minutes=15)
"""Maximum time between page updates, because some of the content depends on the time."""

SIGN_PAUSE = timedelta(seconds=10)
"""Minimum time between signs of life for open pages."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add profile, number of concurrent runs, interval, and whether to stop when idle."""
    add = parser.add_argument
    parser.description = (
        "Process runs as soon as they end: each is marked pending, claimed, transferred, processed "
        "and published. On Ctrl-C or SIGTERM, running jobs finish and no new ones start; a second "
        "signal stops the jobs too. The next driver does the remaining work."
    )
    add("--profile", metavar="NAME", help="a profile in profiles/, or a folder [watch.profile]")
    add(
        "--max-jobs",
        type=_count,
        metavar="N",
        help="number of runs processed at the same time [watch.max_jobs]",
    )
    add(
        "--interval",
        type=_seconds,
        metavar="S",
        help="seconds between rounds [watch.interval_s]",
    )
    add(
        "--once",
        action="store_true",
        help="process the waiting runs, then stop; exit code 1 if any fails",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        if 0.1 <= float(text) <= 86400:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a time from 0.1 to 86400 s")


def run(options: argparse.Namespace) -> int:
    """Watch for runs, and print one line per event."""
    from dataclasses import replace  # noqa: PLC0415

    from xamsflow.base import service  # noqa: PLC0415
    from xamsflow.batch import here  # noqa: PLC0415
    from xamsflow.operate import places  # noqa: PLC0415
    from xamsflow.operate.watcher import Watcher, WatchOptions  # noqa: PLC0415
    from xamsflow.run import notify  # noqa: PLC0415 - keeps --help fast

    settings = config.load(options.configfile)
    if options.interval is not None:
        settings = replace(settings, watch=replace(settings.watch, interval_s=options.interval))
    profile = start.profile_folder(options.profile or settings.watch.profile)
    here.check(profile / "submit")
    max_jobs = options.max_jobs or settings.watch.max_jobs or start.usual_jobs(profile)

    page = _Page(settings, options.configfile)

    def after_round(database: "RunDatabase | None", changed: bool) -> None:
        if database is not None:
            with contextlib.suppress(XamsflowError):  # a full disk
                watching.looked(settings.watch.interval_s)
        service.is_alive()
        notify.check(settings, database, lambda: places.silent(settings, profile))
        page.update(database, changed=changed)

    say(
        f"watching {settings.rundb.database}.{settings.rundb.collection} with profile "
        f"{profile.name}, at most {max_jobs} runs at a time (process {os.getpid()})"
    )
    how = WatchOptions(profile, options.configfile, max_jobs, options.once)
    try:
        code = Watcher(settings, how, say, after_round).run()
        page.end(with_pictures=options.once)
    finally:
        page.stop()
        with contextlib.suppress(OSError):
            watching.ended()
    notify.finish()
    say("ended")
    return code


class _Page:
    """Updates results/index.html after changes, at most once per PAGE_PAUSE.

    The pictures it links to are drawn in the background.
    """

    def __init__(self, settings: config.Config, configfiles: Sequence[Path]) -> None:
        from xamsflow.views.page import PicturesBeside  # noqa: PLC0415 - keeps --help fast

        self._settings = settings
        self._changed = True
        self._made: datetime | None = None
        self._checked: datetime | None = None
        self._told: datetime | None = None
        self._is_away = False
        self._checksum: int | None = None
        self._pictures = PicturesBeside(
            configfiles, settings.watch.pictures, say, quantities=settings.watch.quantities
        )

    def _tell_watch(self) -> None:
        """Tell open pages that this process is alive and reads the run database."""
        from xamsflow.views.page import tell_watch  # noqa: PLC0415 - as above

        now = clock.now()
        if self._told is None or abs(now - self._told) >= SIGN_PAUSE:
            self._told = now
            with contextlib.suppress(XamsflowError):  # a full disk
                tell_watch(now)

    def update(self, database: "RunDatabase | None", *, changed: bool) -> None:
        """Update page and pictures if due; the database is None if it could not be queried."""
        if database is not None:
            self._tell_watch()
        self._changed |= changed or (database is None) != self._is_away
        self._is_away = database is None
        is_first = self._made is None
        due = self._is_due(database)
        has_news = self._make() if due else False
        self._pictures.draw(wanted=has_news or is_first)

    def _is_due(self, database: "RunDatabase | None") -> bool:
        from xamsflow.views.page import FIELDS  # noqa: PLC0415 - as above

        now = clock.now()
        if self._made is None or self._checked is None:
            self._checked = now
            self._checksum = None if database is None else database.checksum(FIELDS)
            return True
        if self._changed:
            return now - self._made >= PAGE_PAUSE
        if now - self._made > PAGE_AT_LEAST:
            return True
        if database is None or now - self._checked < PAGE_CHECK:
            return False
        self._checked = now
        before, self._checksum = self._checksum, database.checksum(FIELDS)
        return self._checksum != before

    def end(self, *, with_pictures: bool) -> None:
        """Update the page a last time if something has changed, and wait for wanted pictures."""
        changed = self._changed
        if changed:
            self._make()
        if with_pictures:
            self._pictures.draw(wanted=changed)
            self._pictures.finish()

    def stop(self) -> None:
        """Stop drawing pictures."""
        self._pictures.stop()

    def _make(self) -> bool:
        """Write the page; return whether pictures or details may be missing."""
        from xamsflow.views.page import make  # noqa: PLC0415 - as above

        self._made, self._changed = clock.now(), False
        try:
            return make(self._settings)
        except XamsflowError as error:
            say(f"the page was not updated: {error}")
            return False


def say(line: str) -> None:
    """Print one line with the time (UTC)."""
    try:
        print(f"{clock.now():%Y-%m-%d %H:%M:%S} {line}", flush=True)
    except BrokenPipeError:
        raise
    except OSError:  # a full disk or closed terminal loses messages, but runs continue
        pass
