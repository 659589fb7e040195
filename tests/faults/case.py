"""One fault at one moment: a site with two runs, a driver that is struck, starts after it, checks.

A fault is a function of a :class:`Case`, which it prepares, starts and strikes; the case's random
numbers choose the moment, the run, the process. What is to be mended before the next start, as a
person would mend it, goes on `case.heal`. Nothing else is done between two starts.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymongo

from faults.reference import Reference
from servers.mongod import Mongod, make_replica_set, restartable
from servers.sshd import Sshd, descendants, running_sshd
from site_for_tests import Site
from xamsflow.state import layout

RULES = ("transfer", "process", "publish")
DATABASE = "run"
MOST_STARTS = 5
END_S = 200.0
IS_ROOT = os.getuid() == 0


class NotPossible(Exception):  # noqa: N818
    """The fault cannot be made here, and why."""


@dataclass
class Case:
    """A fault's site, its driver, and what is expected in the end.

    `expected` has the class of failure of runs that must not end done, `seen` classes that must
    have been on the way, `degraded` runs that end done with all records, but not clean.
    """

    folder: Path
    seed: int
    reference: Reference
    random: random.Random
    exit: ExitStack
    site: Site = field(init=False)
    driver: "subprocess.Popen[str] | None" = None
    starts: int = 0
    heal: list[Callable[[], object]] = field(default_factory=list)
    expected: dict[int, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    degraded: set[int] = field(default_factory=set)
    codes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = list(self.reference.numbers)
        self.run = self.random.choice(self.numbers)
        self.mongod: Mongod | None = None
        self.sshd: Sshd | None = None
        self._said = (self.folder / "said").open("a")
        self.exit.callback(self._said.close)

    # The site

    def prepare(
        self, *, ssh: bool = False, tunnel: bool = False, auth: bool = False, replica: bool = False
    ) -> None:
        """Make the site: run database, DAQ folder with the runs, all pending."""
        options = ["--replSet", "rs"] if replica else []
        made = restartable(self.folder / "mongod", auth=auth, options=options)
        self.mongod = self.exit.enter_context(made)
        if replica:
            make_replica_set(self.mongod.server)
        options = "/?serverSelectionTimeoutMS=2000&socketTimeoutMS=4000"
        settings: dict[str, Any] = {
            "rundb": {"database": DATABASE, "uri": self.mongod.server.uri + options},
            "retry": {"first_pause_s": 0, "longest_pause_s": 0, "patience_s": 3},
        }
        if ssh or tunnel:
            self.sshd = self.exit.enter_context(running_sshd(self.folder / "sshd"))
            target = self.sshd.target()
            host = {
                name: str(value) if isinstance(value, Path) else value
                for name, value in vars(target).items()
            }
            settings |= {"daq": host} if ssh else {}
            settings["rundb"] |= {"tunnel": host} if tunnel else {}
        environment = {}
        if auth:
            environment = {"MONGO_USER": "worker", "MONGO_PASSWORD": "worker-secret"}
        self.site = Site(self.folder / "site", self.mongod.server.uri, DATABASE, settings)
        self.site.environment = environment
        if auth:
            self.make_user()
        shutil.copytree(self.reference.daq, self.site.daq, dirs_exist_ok=True)
        for document in self.reference.documents:
            self.collection.insert_one({**document, "processing_status": "pending"})
            self.collection.update_one(
                {"number": document["number"]}, {"$set": {"data.0.location": str(self.site.daq)}}
            )

    def make_user(self) -> None:
        """Make the user under whose name the workflow works."""
        self.client.admin.command(
            "createUser", "worker", pwd="worker-secret", roles=["readWriteAnyDatabase"]
        )

    @property
    def client(self) -> pymongo.MongoClient[dict[str, Any]]:
        """A connection of the test's own to the run database."""
        assert self.mongod is not None
        server = self.mongod.server
        client = pymongo.MongoClient[dict[str, Any]](
            server.uri,
            username=server.user,
            password=server.password,
            tz_aware=True,
            directConnection=True,
        )
        self.exit.callback(client.close)
        return client

    @property
    def collection(self) -> pymongo.collection.Collection[dict[str, Any]]:
        return self.client[DATABASE]["runs_new"]

    @property
    def work(self) -> Path:
        return self.site.work

    def document(self, number: int) -> dict[str, Any]:
        document = self.collection.find_one({"number": number})
        assert document is not None
        return document

    # The driver

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a driver; the first one is the one to strike, the others are forks."""
        self.starts += 1
        start = self.site.start if self.driver is None else self.site.fork
        process = start(*arguments, "--cores", "2", stdout=self._said)
        self.exit.callback(_end_tree, process)
        if self.driver is None:
            self.driver = process
        return process

    def end(self, process: "subprocess.Popen[str] | None" = None) -> int:
        """Wait for a driver's end, the first one's by default, and return its exit code."""
        process = process or self.driver
        assert process is not None
        code = process.wait(END_S)
        self.codes.append(code)
        return code

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    # When to strike

    def wait(self, condition: Callable[[], Any], what: str, pause_s: float = 0.02) -> Any:
        """Wait for something to happen and return it; the driver's end is an error."""
        deadline = time.monotonic() + END_S
        while not (fulfilled := condition()):
            ended = self.driver is not None and self.driver.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"it did not happen: {what}")
            time.sleep(pause_s)
        return fulfilled

    def moment(self, *rules: str) -> None:
        """Let time pass until some moment in the work of one of these rules on the case's run."""
        rule = self.random.choice(rules or ("start", *RULES))
        if rule != "start":
            self.wait(lambda: self.logs(rule, self.run), f"{rule} of {self.run}")
        time.sleep(self.random.uniform(0.0, 1.0))

    def logs(self, rule: str, number: int) -> list[Path]:
        """Return the logs of a rule's attempts at a run."""
        return sorted((self.work / "logs" / rule).glob(f"{number:06d}*.[0-9]*.log"))

    def job(self, rule: str) -> int:
        """Wait for a job of a rule, of any run, and return its process."""
        folder = self.work / "logs" / rule

        def find() -> int | None:
            assert self.driver is not None
            for pid in descendants(self.driver.pid)[1:]:
                with suppress(OSError):
                    if Path(f"/proc/{pid}/fd/1").readlink().parent == folder:
                        return pid
            return None

        return int(self.wait(find, f"a job of {rule}", pause_s=0.005))

    def process_called(self, name: str) -> int:
        """Wait for a process of this name below the driver and return it."""

        def find() -> int | None:
            assert self.driver is not None
            for pid in descendants(self.driver.pid)[1:]:
                with suppress(OSError):
                    if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                        return pid
            return None

        return int(self.wait(find, f"a process {name}", pause_s=0.002))

    # What to do

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill_all(self) -> None:
        """Kill the driver and all below it, as a reboot does."""
        assert self.driver is not None
        for pid in descendants(self.driver.pid):
            self.kill(pid)

    def pend(self, number: int) -> None:
        """Ask for a run again, as a person does after mending the cause."""
        done = self.site.xamsflow("pend", str(number), "--yes", "--force")
        assert done.returncode == 0, done.stdout + done.stderr

    def ask_again(self) -> None:
        """Ask for the runs that wait for a person, once all outcomes are told."""
        self.end(self.start())
        for number in self.numbers:
            document = self.document(number)
            if document["processing_status"] == "failed" and not document["processing"].get(
                "retry_at"
            ):
                self.pend(number)

    def small_disk(self, path: Path, size_kb: int) -> None:
        """Put a disk of this size at a path of the site; it grows when it is healed."""
        self._mount(path, "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs")
        grow = ["mount", "-o", "remount,size=64m", str(path)]
        self.heal.append(lambda: subprocess.run(grow, check=True))

    def read_only(self, path: Path) -> None:
        """Make a folder of the site read-only until it is healed."""
        if IS_ROOT:
            self._mount(path, "--bind", str(path))
            again = ["mount", "-o", "remount,bind,ro", str(path)]
            subprocess.run(again, check=True)
            self.heal.append(lambda: subprocess.run(["umount", "-l", str(path)], check=True))
        else:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o555)
            self.heal.append(lambda: path.chmod(0o755))

    def _mount(self, path: Path, *arguments: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        command = ["mount", *arguments, str(path)]
        if not IS_ROOT or subprocess.run(command, check=False).returncode:
            raise NotPossible("only root can mount a disk")
        unmount = ["umount", "-l", str(path)]
        self.exit.callback(subprocess.run, unmount, check=False, stderr=subprocess.DEVNULL)


@contextmanager
def opened(folder: Path, seed: int, reference: Reference) -> Iterator[Case]:
    """Hold a case in an empty folder of its own; nothing of it runs after the block."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(_end_all_in, folder)
        yield Case(folder, seed, reference, random.Random(seed), stack)


def _end_tree(process: "subprocess.Popen[str]") -> None:
    for pid in descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _end_all_in(folder: Path) -> None:
    """End what a killed driver has left at work in the case's folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder):
                    os.kill(int(entry.name), signal.SIGKILL)


def run_id(number: int) -> str:
    return layout.run_id(number)
