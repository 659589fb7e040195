"""Process each run, in a separate driver, as soon as it ends.

Each round queries the run database, marks new runs as pending once they have ended (or started, if
they are to be followed), and hands waiting runs to new drivers (``snakemake``) as capacity allows.
The watcher keeps no essential state: drivers claim runs in the run documents, so no run is
processed twice if a watcher is killed and restarted or if two run at the same time.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from pathlib import Path
from types import FrameType

from xamsflow.base import amounts, caches, clock, process, system_errors
from xamsflow.base.errors import BadDataError, TransientError, XamsflowError
from xamsflow.run import journal, selecting, start
from xamsflow.rundb import (
    ClaimedRun,
    PendingRun,
    RunDatabase,
    RunSummary,
    Status,
    open_database,
)
from xamsflow.rundb.status import State
from xamsflow.settings.config import Config
from xamsflow.state import layout, owner, run_numbers

DRIVERS = 16
"""Maximum number of concurrent drivers, each of which needs about 100 MB. If more runs are in
flight, a driver processes several."""

CAMPAIGN_DRIVERS = DRIVERS // 2
"""Maximum number of drivers for runs of campaigns, so that new runs find a driver."""

CAMPAIGN_SHARE = 0.8
"""Maximum share of runs of campaigns among the runs in progress, to leave room for new runs."""

PAUSE_S = 60.0
"""Pause before a run whose driver failed is tried again, doubled each time ..."""

LONGEST_PAUSE_S = 3600.0
"""... up to this."""

STUCK_S = 300.0
"""Time after which a driver whose runs have ended, but which has not, is killed."""

AWAITED_S = 60.0
"""Time between reports of the drivers that are still running while stopping."""

SLICE_S = 0.1
"""Polling interval for signals and drivers that have ended."""

SWITCHED_OFF = "off"


@dataclass
class DriverProcess:
    """A started driver and its runs; runs in `ended` no longer count as in flight.

    `campaign`: they are runs of campaigns.
    """

    process: "subprocess.Popen[bytes]"
    runs: tuple[int, ...]
    log: Path
    began: float
    campaign: bool = False
    stages: dict[int, str] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    told_to_stop: int = 0
    idle_since: float | None = None

    def __str__(self) -> str:
        """Describe it for people."""
        names = " ".join(map(layout.run_id, self.runs))
        return f"the driver of {names} (process {self.process.pid}, see {self.log})"

    @property
    def runs_on(self) -> bool:
        """Whether the process is still running."""
        return self.process.poll() is None


@dataclass(frozen=True)
class WatchOptions:
    """The profile, the settings files, and the number of concurrent runs."""

    profile: Path
    configfiles: Sequence[Path]
    max_jobs: int
    once: bool


class Watcher:
    """Watches for runs from the working directory; :meth:`run` returns when stopped."""

    def __init__(
        self,
        config: Config,
        options: WatchOptions,
        say: Callable[[str], None],
        after_round: Callable[[RunDatabase | None, bool], None] = lambda _database, _changed: None,
    ) -> None:
        """Prepare; `say` is called with one line per event.

        `after_round` is called after each round with whether anything has changed; the database is
        None if it could not be queried. Its errors are reported and change nothing.
        """
        self._config = config
        self._options = options
        self._say = say
        self._after_round = after_round
        self._drivers: list[DriverProcess] = []
        self._taken = 0
        self._not_before: dict[int, tuple[float, float]] = {}
        self._unusable: set[int] = set()
        self._stops = 0
        self._stopping = False
        self._name_awaited = 0.0
        self._trouble = ""
        self._told: dict[str, str] = {}
        self._off = False
        self._looked = False
        self._waiting = 0
        self._failed = False

    def run(self) -> int:
        """Watch until a signal arrives, or with `once` until no run waits; return the exit code.

        In the first round, raises errors in the settings (with `once`, all errors). Later errors
        are reported and retried.
        """
        before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            while not self._is_over():
                self._look_while_connected()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return 1 if self._failed and self._options.once else 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1  # a signal may arrive at any moment; the loop does the rest

    def _is_over(self) -> bool:
        if self._stops:
            return not any(driver.runs_on for driver in self._drivers)
        return self._options.once and self._looked and not (self._drivers or self._waiting)

    # A round

    def _look_while_connected(self) -> None:
        try:
            with open_database(self._config.rundb) as database:
                while True:
                    changed = self._round(database)
                    self._looked = True
                    self._tell_trouble(None)
                    self._call_after_round(database, changed=changed)
                    if self._is_over():
                        return
                    self._wait()
        except Exception as caught:  # whatever it is, the next round may succeed
            error = system_errors.readable(caught)
            settings = not isinstance(error, TransientError)
            if not self._looked and (settings or self._options.once):
                raise error from caught
            self._tell_trouble(error)
            self._call_after_round(None, changed=False)
            if not self._is_over():
                self._wait()

    def _call_after_round(self, database: RunDatabase | None, *, changed: bool) -> None:
        try:
            self._after_round(database, changed)
        except Exception as error:
            self._say_once("after a round", str(system_errors.readable(error)))
        else:
            self._told.pop("after a round", None)

    def _wait(self) -> None:
        """Wait for the next round; return early if a signal arrives or a driver ends."""
        stops = self._stops
        self._stop_drivers()
        until = time.monotonic() + self._config.watch.interval_s
        running = [driver for driver in self._drivers if driver.runs_on]
        while time.monotonic() < until:
            if self._stops != stops or not all(driver.runs_on for driver in running):
                return
            time.sleep(SLICE_S)

    def _tell_trouble(self, error: XamsflowError | None) -> None:
        """Report an error once, and report once when it is over."""
        trouble = "" if error is None else str(error)
        if trouble and trouble != self._trouble:
            goes_on = self._in_flight()
            beside = f" (runs that continue meanwhile: {goes_on})" if goes_on else ""
            self._say(f"{trouble}; retrying every {self._config.watch.interval_s:g} s{beside}")
        elif self._trouble and not trouble:
            self._not_before.clear()  # their drivers failed because of this error
            self._say("recovered")
        self._trouble = trouble

    def _round(self, database: RunDatabase) -> bool:
        """Perform one round; return whether anything has changed."""
        journal.publish(database, self._config, self._tell_refusal)
        self._stop_drivers()
        changed = self._look_after_drivers(database)
        if self._stops:
            return changed
        if self._is_switched_off(database):
            self._waiting = 0
            return changed
        changed |= self._ask_for_runs(database)
        now = time.monotonic()
        ready = [
            run
            for run in self._wait_list(database)
            if self._not_before.get(run.number, (0.0, 0))[0] <= now
        ]
        new = [run.number for run in ready if run.campaign is None]
        chosen = in_turn(new, self._room(), self._taken, self._config.watch.oldest_every)
        self._start(chosen, DRIVERS - len(self._drivers))
        n_chosen = len(chosen)
        if n_chosen == len(new):  # runs of campaigns fill only the remaining capacity
            again = [run.number for run in ready if run.campaign is not None]
            chosen = in_turn(again, self._room_for_campaigns(), 0, None)
            self._start(chosen, CAMPAIGN_DRIVERS - self._campaign_drivers(), campaign=True)
            n_chosen += len(chosen)
        self._waiting = len(ready) - n_chosen
        return changed or n_chosen > 0

    def _tell_refusal(self, run: str, error: XamsflowError) -> None:
        self._say_once(run, f"the outcome of run {run} cannot be published: {error}")

    def _say_once(self, about: str, line: str) -> None:
        if self._told.get(about) != line:
            self._told[about] = line
            self._say(line)

    def _is_switched_off(self, database: RunDatabase) -> bool:
        switch = self._config.watch.switch
        off = switch is not None and database.switch(switch) == SWITCHED_OFF
        if off and not self._off:
            self._say(
                f"{switch} is off: no runs are started until it is switched on"
                + (f"; {self._in_flight()} in progress will finish" if self._in_flight() else "")
            )
        elif self._off and not off:
            self._say(f"{switch} is on again")
        self._off = off
        return off

    def _ask_for_runs(self, database: RunDatabase) -> bool:
        asked = False
        for number, has_ended in database.unasked(self._config.select, self._config.watch).items():
            what = "has ended" if has_ended else "has started"
            try:
                if database.set_pending(
                    number, "watch", action="watch", reason=f"it {what}", leaves={State.ABSENT}
                ):
                    asked = True
                    self._say(f"{layout.run_id(number)} {what}: pending")
            except BadDataError as error:  # one bad document must not block the other runs
                if number not in self._unusable:
                    self._unusable.add(number)
                    self._say(str(error))
        return asked

    def _wait_list(self, database: RunDatabase) -> list[ClaimedRun | PendingRun]:
        """Return the runs that can be claimed, in order, including those of dead drivers."""
        ours = {number for driver in self._drivers for number in driver.runs}
        waiting = selecting.to_take(database, self._config.select)
        return [run for run in waiting if run.number not in ours]

    # Drivers

    def _room(self) -> int:
        if len(self._drivers) >= DRIVERS:
            return 0
        return max(0, self._options.max_jobs - self._in_flight())

    def _room_for_campaigns(self) -> int:
        """Return how many more runs of campaigns may start, leaving room for new runs."""
        most = max(1, int(CAMPAIGN_SHARE * self._options.max_jobs))
        if self._campaign_drivers() >= CAMPAIGN_DRIVERS:
            return 0
        return max(0, min(self._room(), most - self._in_flight(campaign=True)))

    def _campaign_drivers(self) -> int:
        return sum(driver.campaign for driver in self._drivers)

    def _in_flight(self, *, campaign: bool = False) -> int:
        """Return how many runs are in progress, in total or in campaigns."""
        drivers = [one for one in self._drivers if one.campaign or not campaign]
        return sum(len(set(driver.runs) - driver.ended) for driver in drivers)

    def _start(self, numbers: Sequence[int], drivers: int, *, campaign: bool = False) -> None:
        """Hand runs to new drivers, one each unless that needs more than this many drivers."""
        if not numbers:
            return
        each = ceil(len(numbers) / drivers)
        for first in range(0, len(numbers), each):
            runs = tuple(numbers[first : first + each])
            self._drivers.append(self._driver(runs, campaign=campaign))
            self._taken += len(runs)
            for number in runs:
                self._say(f"{layout.run_id(number)} taken")

    def _driver(self, runs: tuple[int, ...], *, campaign: bool) -> DriverProcess:
        # Only the run numbers override the selection, so the driver still skips a run that has
        # been held or taken in the meantime.
        chosen = {"runs": [layout.run_id(number) for number in runs]}
        arguments = ["--config", f"select={json.dumps(chosen)}"]
        if start.works_here(self._options.profile):
            arguments += ["--cores", str(len(runs))]
        command = start.snakemake(self._options.profile, self._options.configfiles, *arguments)
        log = layout.watch_log(layout.run_id(runs[0]), clock.now())
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("xb") as said:
                said.write(f"$ {shlex.join(command)}\n".encode())
                said.flush()
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=caches.environment(layout.CACHES),
                    start_new_session=True,  # Ctrl-C at the terminal reaches only this process
                )
        except OSError as error:
            raise system_errors.cannot("write", log, error) from error
        return DriverProcess(process, runs, log, time.monotonic(), campaign=campaign)

    def _look_after_drivers(self, database: RunDatabase) -> bool:
        """Report the progress of the drivers' runs, and remove drivers that have ended."""
        if not self._drivers:
            return False
        over = [driver for driver in self._drivers if not driver.runs_on]
        numbers = [number for driver in self._drivers for number in driver.runs]
        rows = {row.number: row for row in database.runs(run_numbers.each(numbers))}
        changed = bool(over)
        for driver in self._drivers:
            for number in driver.runs:
                row = rows.get(number)
                if row is not None and number not in driver.ended:
                    changed |= self._tell_progress(driver, row)
        for driver in self._drivers:
            self._end_if_stuck(driver)
        for driver in over:
            self._take_leave(driver, rows)
            self._drivers.remove(driver)
        return changed

    def _end_if_stuck(self, driver: DriverProcess) -> None:
        """Kill a driver that has nothing left to do but does not end."""
        if not set(driver.runs) <= driver.ended or not driver.runs_on:
            return
        now = time.monotonic()
        driver.idle_since = driver.idle_since or now
        if now - driver.idle_since > STUCK_S:
            self._say(f"{driver} is still running although all its runs have ended: killing it")
            _send(driver, signal.SIGKILL)

    def _tell_progress(self, driver: DriverProcess, row: RunSummary) -> bool:
        """Report whether a run is done or has failed; return whether it has progressed."""
        claimed_by = process.parse(row.owner) if row.owner else None
        if claimed_by is None or claimed_by.pid != driver.process.pid:
            return False
        stage = f"{row.status} {row.stage}"
        further = driver.stages.get(row.number) != stage
        driver.stages[row.number] = stage
        if row.status is Status.DONE:
            driver.ended.add(row.number)
            self._not_before.pop(row.number, None)
            self._say(f"{row.run} done{_how_fast(row, driver)}")
        elif row.status is Status.FAILED:
            driver.ended.add(row.number)
            self._failed = True
            again = (
                f"; retried after {row.retry_at:%Y-%m-%d %H:%M} UTC"
                if row.retry_at
                else "; not retried automatically"
            )
            self._say(f"{row.run} failed in {row.stage}: {row.reason}{again}")
        return further

    def _take_leave(self, driver: DriverProcess, rows: dict[int, RunSummary]) -> None:
        """Report the runs that a driver left unfinished, and delay their next attempt."""
        for number in driver.runs:
            if number in driver.ended:
                continue
            row = rows.get(number)
            status = row.status if row is not None else None
            holder = (row.owner if row is not None else None) or ""
            if status in (Status.SUBMITTED, Status.RUNNING) and not owner.is_dead(holder, 0.0):
                self._say(f"{layout.run_id(number)} is being processed by another driver, {holder}")
                continue
            if status is Status.DONE:
                continue
            pause = min(LONGEST_PAUSE_S, self._not_before.get(number, (0.0, PAUSE_S / 2))[1] * 2)
            self._not_before[number] = (time.monotonic() + pause, pause)
            self._failed = True
            self._say(
                f"{layout.run_id(number)} was left {status or 'without a status'}: its driver has "
                f"ended (exit code {driver.process.returncode}, see {driver.log})"
            )

    def _stop_drivers(self) -> None:
        """Stop the drivers: gracefully, after a second signal as Ctrl-C would, then by SIGKILL."""
        if not self._stops:
            return
        late = [one for one in self._drivers if one.runs_on and one.told_to_stop < self._stops]
        if not self._stopping or late:
            self._stopping = True
            self._say(
                "stopping"
                if not late
                else "stopping: running jobs will finish, other runs are released (a second signal "
                "stops the jobs too)"
                if self._stops == 1
                else "stopping the jobs too (a third signal kills them)"
                if self._stops == 2
                else "killing drivers and jobs"
            )
        for driver in late:
            driver.told_to_stop = self._stops
            if self._stops == 1:
                driver.process.send_signal(signal.SIGTERM)
            else:
                _send(driver, signal.SIGINT if self._stops == 2 else signal.SIGKILL)
        awaited = [one for one in self._drivers if one.runs_on]
        if late:
            self._name_awaited = time.monotonic() + AWAITED_S
        elif awaited and time.monotonic() > self._name_awaited:
            self._name_awaited = time.monotonic() + AWAITED_S
            self._say("waiting for " + ", ".join(map(str, awaited)))


def _send(driver: DriverProcess, number: signal.Signals) -> None:
    """Send a signal to a driver and its local jobs, which are in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(driver.process.pid, number)


def in_turn(waiting: Iterable[int], room: int, taken: int, oldest_every: int | None) -> list[int]:
    """Return the runs to take next, at most `room` of them.

    The newest run comes first, but every `oldest_every`-th run taken is the oldest, so that no run
    waits forever while new ones arrive (None: always the newest). `taken` counts the runs
    taken before.
    """
    left = deque(sorted(waiting))
    chosen: list[int] = []
    for number in count(taken + 1):
        if not left or len(chosen) >= room:
            return chosen
        oldest = oldest_every is not None and number % oldest_every == 0
        chosen.append(left.popleft() if oldest else left.pop())
    raise AssertionError("itertools.count never ends")


def _how_fast(row: RunSummary, driver: DriverProcess) -> str:
    """Return the time since a run was taken, and the time from its end to its completion."""
    spent = f" in {amounts.duration(time.monotonic() - driver.began)}"
    if row.end is None or row.changed is None:
        return spent
    late = (row.changed - row.end).total_seconds()
    return f"{spent}, {amounts.duration(late)} after its end" if late >= 0 else spent
