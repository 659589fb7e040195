"""A small workflow of the real one's shape, through a real batch system, for tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from servers.htcondor import HTCondor
from servers.slurm import Slurm
from xamsflow.batch.job_end import Explanation, explain
from xamsflow.state.layout import REPOSITORY

CHAIN = """
import atexit, contextlib, os
from xamsflow.batch import cancel

def close(folder):  # as the driver does
    with contextlib.chdir(folder):
        cancel.remaining_jobs()

if workflow.is_main_process:
    atexit.register(close, os.getcwd())

rule all:
    localrule: True
    input: expand("out/{run}/published", run=config["runs"].split("+"))

rule transfer:
    output: "out/{run}/transferred"
    shell: "echo x >>starts-{wildcards.run}; echo transferred >{output}"

rule process:
    input: "out/{run}/transferred"
    output: "out/{run}/processed"
    log: "logs/process/{run}.log"
    resources: mem_mb=200, runtime=1
    shell: ". ./do-{wildcards.run} && echo processed >{output}"

rule publish:
    input: "out/{run}/processed"
    output: "out/{run}/published"
    shell: "echo published >{output}"
"""


class Workflow:
    """Runs of a small workflow, each doing what a shell script says, by one of the profiles."""

    def __init__(self, folder: Path, server: Slurm | HTCondor, profile: str) -> None:
        self.folder = folder
        self.profile = f"profiles/{profile}"
        self.server = server
        (folder / "Snakefile").write_text(CHAIN)
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, runs: dict[str, str], *options: str) -> subprocess.Popen[str]:
        """Start a driver as a person at a terminal does; runs tell what their process does."""
        for run, does in runs.items():
            (self.folder / f"do-{run}").write_text(does)
        command = [sys.executable, "-m", "snakemake", "--profile", self.profile]
        command += ["--snakefile", str(self.folder / "Snakefile")]
        command += ["--directory", str(self.folder), "--seconds-between-status-checks", "1"]
        command += ["--config", f"runs={'+'.join(runs)}", *options]
        environment = self.server.environment
        environment |= {"XAMSFLOW_BATCH_INTERVAL_S": "1", "XAMSFLOW_BATCH_GRACE_S": "2"}
        process = subprocess.Popen(
            self.command(command),
            cwd=REPOSITORY,
            env=environment,
            stdout=(self.folder / "terminal").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C goes to the whole group
        )
        self._processes.append(process)
        return process

    def command(self, command: list[str]) -> list[str]:
        """Return the command that runs another one where the batch system is."""
        return command

    def run(self, runs: dict[str, str], *options: str) -> int:
        """Run a driver to its end and return its exit code."""
        self.start(runs, *options)
        return self.end()

    def end(self) -> int:
        """Wait for the driver's end and return its exit code."""
        return self._processes[-1].wait(timeout=150)

    @property
    def terminal(self) -> str:
        """What the drivers said."""
        return (self.folder / "terminal").read_text()

    def published(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob("out/*/published"))

    def job(self, run: str) -> str:
        """Return the newest batch job of a run."""
        wait_until(lambda: self._job(run) is not None, f"run {run} is submitted")
        return str(self._job(run))

    def _job(self, run: str) -> str | None:
        found = sorted(self.folder.glob(f".snakemake/batch/submissions/*-{run}.*/job"))
        return found[-1].read_text().strip() if found else None

    def jobs(self) -> list[str]:
        """Return the batch jobs of this workflow that wait or run."""
        ours = {path.read_text().strip() for path in self.folder.glob(".snakemake/batch/*/*/job")}
        return [job for job in self.server.jobs() if job in ours]

    def wait_for_start(self, *runs: str, timeout_s: float = 60) -> None:
        """Wait until runs are being processed."""
        for run in runs:
            started = self.folder / f"on-{run}"
            wait_until(started.exists, f"run {run} starts", timeout_s)

    def starts(self, run: str) -> int:
        """Return how often a run's transfer was started."""
        return len((self.folder / f"starts-{run}").read_text().splitlines())

    def explain(self, run: str) -> Explanation:
        explanation = explain("process", {"run": run})
        assert explanation is not None
        return explanation

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def press_ctrl_c(driver: subprocess.Popen[str]) -> int:
    """Interrupt a driver as a person does, and return its exit code.

    Snakemake sometimes misses the first Ctrl-C on a busy machine.
    """
    for _ in range(3):
        os.killpg(driver.pid, signal.SIGINT)
        try:
            return driver.wait(timeout=15)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the driver does not end")


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 40) -> None:
    """Wait until something is the case, in vain with an AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still waiting until {what}"
        time.sleep(0.05)


LONG = "touch on-{run}; sleep 100"


def long(*runs: str) -> dict[str, str]:
    """Return runs that take long."""
    return {run: LONG.format(run=run) for run in runs}
