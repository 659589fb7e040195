"""A real Slurm on loopback, with Torque's commands, for tests.

Everything it needs is in one folder: configuration, state, munge's key and socket. As root it
runs jobs of any user; as an ordinary user those of that user.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xamsflow.base.exec_with_parent import with_parent

START_TIMEOUT_S = 30
COMMANDS = ("slurmctld", "slurmd", "munged", "sbatch", "qsub")
SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

PARTITIONS = {"express": 10, "short": 240, "generic": 1440, "long": 5760}
"""The queues and their longest wall time in minutes."""


class Slurm:
    """Controller, one node and munge; `environment` leads the commands to them."""

    def __init__(
        self, folder: Path, *, cpus: int = 8, job_limit: int = 10000, remembered_s: int = 300
    ) -> None:
        self.folder = folder
        self._remembered_s = remembered_s
        self._cpus = cpus
        self._job_limit = job_limit
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool", "log", "munge"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name).chmod(0o755)
        self._configuration = folder / "slurm.conf"
        self._write_configuration()
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Slurm's commands find this server."""
        return {**os.environ, "SLURM_CONF": str(self._configuration), "PATH": SEARCHED}

    def start(self) -> None:
        """Start all and wait until the node takes jobs."""
        munge = self.folder / "munge"
        self._start(
            "munged",
            "--foreground",
            "--force",
            f"--socket={munge / 'socket'}",
            f"--key-file={munge / 'key'}",
            f"--pid-file={munge / 'pid'}",
            f"--seed-file={munge / 'seed'}",
            f"--log-file={munge / 'log'}",
        )
        _wait_for((munge / "socket").exists, "munged does not start")
        self.start_controller()
        self._start("slurmd", "-D", "-f", str(self._configuration))
        try:
            _wait_for(self._is_idle, "Slurm does not start")
        except TimeoutError as error:
            logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("log/*"))
            self.stop()
            raise RuntimeError(f"Slurm does not start: {logs}") from error

    def start_controller(self) -> None:
        """Start the controller, also again after a stop."""
        self._start("slurmctld", "-D", "-f", str(self._configuration))

    def stop_controller(self) -> None:
        """Stop the controller only; jobs run on."""
        self._stop("slurmctld")

    def stop(self) -> None:
        """End jobs and servers."""
        with suppress(RuntimeError, TimeoutError):
            self.run("scancel", "--user", getpass.getuser())
            _wait_for(lambda: not self.jobs(), "jobs do not end")
        for name in list(self._processes):
            self._stop(name)
        for pid in self._jobs_left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def run(self, *command: str, check: bool = True) -> str:
        """Run one of Slurm's or Torque's commands and return what it printed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def jobs(self) -> list[str]:
        """Return the numbers of the jobs that wait or run."""
        return self.run("squeue", "--noheader", "--format", "%i").split()

    def _jobs_left(self) -> list[int]:
        """Return the processes of jobs, and their overseers, that know this server."""
        mark = f"SLURM_CONF={self._configuration}\0".encode()
        left = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with suppress(OSError):
                    name = (process / "comm").read_text().strip()
                    if name == "slurmstepd" and mark in (process / "environ").read_bytes():
                        left.append(int(process.name))
        return left

    def _is_idle(self) -> bool:
        return "idle" in self.run("sinfo", "-h", "-o", "%t", check=False)

    def _start(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=SEARCHED)
        assert program, f"{name} is not installed"
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                with_parent([program, *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _write_configuration(self) -> None:
        host = socket.gethostname().partition(".")[0]
        user = getpass.getuser()
        folder = self.folder
        partitions = "\n".join(
            f"PartitionName={name} Nodes={host} MaxTime={minutes} DefaultTime={minutes} State=UP"
            + (" Default=YES" if name == "generic" else "")
            for name, minutes in PARTITIONS.items()
        )
        self._configuration.write_text(
            f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2
EnforcePartLimits=ALL
MaxJobCount={self._job_limit}
MinJobAge={self._remembered_s}
KillWait=2
MessageTimeout=3
InactiveLimit=0
ReturnToService=2
MailProg=/bin/true
DefMemPerCPU=100
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={self._cpus} RealMemory=100000 State=UNKNOWN
{partitions}
"""
        )
        self._configuration.chmod(0o644)


def missing() -> list[str]:
    """Return the commands that a Slurm here would need and that are not installed."""
    return [name for name in COMMANDS if shutil.which(name, path=SEARCHED) is None]


@contextmanager
def running_slurm(**options: int) -> Iterator[Slurm]:
    """Run a Slurm with its files in a folder of its own; all ends with the block."""
    # Not in pytest's folder, which other users, whose jobs it may run, cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    server = Slurm(folder, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(condition: object, what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
