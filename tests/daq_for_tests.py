"""A DAQ for tests: it takes a simulated run in real time."""

import threading
import time
from datetime import timedelta
from typing import Any

from site_for_tests import Site
from xamsflow.base import clock
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun

DURATION_S = 4.0
PATIENCE_S = 120.0


class Daq:
    """The DAQ takes a run in real time, in a thread of its own, until it ends or is stopped.

    Half way, it waits until the run is followed: on a busy machine, a run is taken for longer.
    """

    def __init__(self, site: Site, number: int, *, status: str | None, **settings: Any) -> None:
        taking: dict[str, Any] = {
            "duration": DURATION_S,
            "rate": 50.0,
            "threads": 2,
            "buffered_chunks": 1,
        }
        run = SimulatedRun(
            number=number,
            detector=detector.load("xamsl"),
            chunk_length=0.5,
            chunk_overlap=0.1,
            **taking | {"start": clock.now()} | settings,
        )
        self.run, self.number, self.collection = run, number, site.collection
        self.live_run = LiveRun(run, site.daq, self.wait_until)
        status_field = {} if status is None else {"processing_status": status}
        site.insert(self.live_run.document | status_field)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.take)
        self.thread.start()

    def wait_until(self, ns: int) -> None:
        if ns > self.run.duration * 1e9 / 2:
            self.wait_until_followed()
        due = self.run.start + timedelta(seconds=ns / 1e9)
        self.stopped.wait(max(0.0, (due - clock.now()).total_seconds()))

    def wait_until_followed(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not (self.is_followed() or self.stopped.is_set()):
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)

    def is_followed(self) -> bool:
        followed = {"number": self.number, "processing.stage": "follow"}
        return self.collection.find_one(followed) is not None

    def take(self) -> None:
        for _ in self.live_run:
            if self.stopped.is_set():
                return
        document = self.live_run.document
        ended = {"end": document["end"], "rate": document["rate"]}
        self.collection.update_one({"number": self.number}, {"$set": ended})

    def crash(self) -> None:
        self.stopped.set()
        self.thread.join()
