"""A site for tests: a DAQ folder, a run database, a working directory, the real workflow."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymongo
import yaml

from servers import forks
from xamsflow import cli, rundb
from xamsflow.settings import config, detector
from xamsflow.simulate import SimulatedRun, simulate
from xamsflow.state import layout, lock

PROFILE = layout.REPOSITORY / "profiles" / "local"
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
XAMSFLOW = Path(sys.executable).with_name("xamsflow")


LONG = {"duration": 30.0, "rate": 300.0}
"""A run that takes long enough to be caught while it is being processed."""


@dataclass
class Site:
    """One working directory with all that the workflow meets; `settings` override the defaults."""

    folder: Path
    uri: str
    database: str
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.daq.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def daq(self) -> Path:
        return self.folder / "daq"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def configfile(self) -> Path:
        return self.folder / "site.yaml"

    def configure(self, **settings: Any) -> None:
        """Write the settings of this site, with sections laid over what it has."""
        base: dict[str, Any] = {
            # What most tests are about needs no more, and is made in a fraction of the time.
            "targets": ["raw_records_v1730"],
            "rundb": {"uri": self.uri, "database": self.database},
            "daq": {"live_data": str(self.daq)},
            "retry": {"patience_s": 1},
            "watch": {"pictures": 0, "quantities": False},  # they take seconds each
        }
        for changes in (self.settings, settings):
            for key, value in changes.items():
                if isinstance(value, dict):
                    base[key] = {**base.get(key, {}), **value}
                else:
                    base[key] = value
        self.configfile.write_text(yaml.safe_dump(base))

    @property
    def collection(self) -> pymongo.collection.Collection[dict[str, Any]]:
        client = pymongo.MongoClient[dict[str, Any]](self.uri, tz_aware=True)
        return client[self.database]["runs_new"]

    def add_run(
        self, number: int, *, status: str | None = "pending", on_disk: bool = True, **choices: Any
    ) -> dict[str, Any]:
        """Simulate a short run on the DAQ host and put its document into the run database."""
        choices = {
            "duration": 1.5,
            "rate": 100.0,
            "chunk_length": 0.5,
            "chunk_overlap": 0.1,
        } | choices
        run = SimulatedRun(number=number, detector=detector.load("xamsl"), seed=number, **choices)
        document = simulate(run, self.daq)
        if not on_disk:
            (self.daq / run.run_id).rename(self.folder / f"not-there-{run.run_id}")
        if status is not None:
            document["processing_status"] = status
        self.insert(document)
        return document

    def insert(self, document: dict[str, Any]) -> None:
        with rundb.open_database(config.load([self.configfile]).rundb) as database:
            database.insert(document)

    def document(self, number: int) -> dict[str, Any]:
        document = self.collection.find_one({"number": number})
        assert document is not None
        return document

    def status(self, number: int) -> str:
        return self.document(number)["processing_status"]

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start the workflow; it is a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | self.environment,
            **{"stdout": subprocess.PIPE} | options,
        )

    def command(self, *arguments: str) -> list[str]:
        return [
            str(SNAKEMAKE),
            "--snakefile",
            str(layout.SNAKEFILE),
            "--profile",
            str(PROFILE),
            "--directory",
            str(self.work),
            *arguments,
            "--configfile",
            str(self.configfile),
        ]

    def fork(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start the workflow as a fork, which saves most of its start, where no job is signalled.

        The process ends with the driver, and a signal to it reaches the driver only.
        """
        return subprocess.Popen(
            [*forks.command("snakemake"), *self.command(*arguments)[1:]],
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | self.environment | forks.environment(),
            **{"stdout": subprocess.PIPE} | options,
        )

    def snakemake(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the workflow to its end; what it said is in stdout.

        It is a fork, except with a library to preload: those are loaded when a process starts.
        """
        preload = "LD_PRELOAD" in self.environment
        process = self.start(*arguments) if preload else self.fork(*arguments)
        try:
            said, _ = process.communicate(timeout=300)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, said, "")

    def xamsflow(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the operator's command as a process of its own."""
        return subprocess.run(
            [
                *forks.command("xamsflow"),
                verb,
                *arguments,
                "--directory",
                str(self.work),
                "--configfile",
                str(self.configfile),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | self.environment | forks.environment(),
        )

    def verb(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the operator's command in this process, which saves the seconds of its start."""
        command = [*arguments, "--directory", str(self.work), "--configfile", str(self.configfile)]
        out, err = io.StringIO(), io.StringIO()
        before, here = dict(os.environ), Path.cwd()
        os.environ |= self.environment
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main(command)
        except SystemExit as end:  # of a wrong command line
            code = int(end.code or 0)
        finally:
            os.environ.clear()
            os.environ |= before
            os.chdir(here)
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

    @contextlib.contextmanager
    def busy(self, *numbers: int) -> Iterator[None]:
        """Hold the locks of runs: their jobs wait until the block ends, as in a long run."""
        with contextlib.ExitStack() as held:
            for number in numbers:
                file = layout.lock_file(self.work / "data" / "processed", layout.run_id(number))
                held.enter_context(lock.exclusive(file))
            yield

    def tree(self) -> dict[str, bytes]:
        """Return every file of the site with its content, but Snakemake's own bookkeeping."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".snakemake" not in path.parts
        }

    def all_documents(self) -> list[dict[str, Any]]:
        return list(self.collection.find().sort("number"))
