"""A real HTCondor on loopback, for tests: Debian 13's minicondor in a folder with its own system.

Debian 12 has no package of it. The system's folder is made once, in the user's cache, and used
again. Mounts are of a namespace of their own, which ends with the last process in it, so nothing
is left behind, even if the tests are killed. Only root can do this.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from xamsflow.batch.htcondor import job_name
from xamsflow.state.layout import REPOSITORY

RELEASE = "trixie"
PACKAGES = ("minicondor", "rsync", "openssh-client")
CACHE = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache/xamsflow-tests" / f"htcondor-{RELEASE}"
"""In the home of the user, not of the tests."""
USER = 1000
"""Who hands in jobs: HTCondor runs none of root's."""
START_TIMEOUT_S = 60
TOOLS = ("debootstrap", "apt-get", "unshare", "nsenter", "chroot", "mount")
SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

MAKE = """
set -e
debootstrap --variant=minbase {release} "$1" "$2"
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d"  # installing starts no servers
chmod 755 "$1/usr/sbin/policy-rc.d"
chroot "$1" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \\
    apt-get install -y --no-install-recommends {packages}
chroot "$1" apt-get clean
sed -i 's/^hosts:.*/hosts: files/' "$1/etc/nsswitch.conf"
chmod 755 "$1/root"  # Python may lie in there
chroot "$1" useradd --create-home --uid {user} tester
"""

START = """
set -e
umask 022
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
for own in run tmp var/log/condor var/lib/condor var/spool/condor; do
    mkdir -p "$ROOT/$own"
    mount -t tmpfs -o mode=1777 condor "$ROOT/$own"
done
show() { # what, where
    if [ -d "$1" ]; then
        mkdir -p "$ROOT$2"
    else
        mkdir -p "$ROOT${2%/*}"
        touch "$ROOT$2"
    fi
    mount --bind "$1" "$ROOT$2"
}
for path in $SHOWN; do
    show "$path" "$path"
done
show "$FOLDER/settings" /etc/condor/config.d/99-test
show "$FOLDER/hosts" /etc/hosts
chroot "$ROOT" sh -c '
    mkdir -p /run/condor /run/lock/condor /var/lib/condor/execute
    chown -R condor:condor /run/condor /run/lock/condor /var/*/condor'
chroot "$ROOT" condor_master -f &
master=$!
echo started
cat >/dev/null  # until the tests end, in whatever way
kill -QUIT $master
wait $master
"""

SETTINGS = """
COLLECTOR_HOST = 127.0.0.1:{port}
SHARED_PORT_PORT = {port}
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
# Not possible within another system's folder.
MOUNT_UNDER_SCRATCH =
DISCARD_SESSION_KEYRING_ON_STARTUP = False
# More than a small machine has; the jobs only wait.
NUM_CPUS = 8
MEMORY = 20000
# Quick, for tests.
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
PERIODIC_EXPR_INTERVAL = 2
MAX_PERIODIC_EXPR_INTERVAL = 4
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
MAX_JOBS_PER_OWNER = {job_limit}
# As sites do: who takes more memory, or time, than asked for is held.
SYSTEM_PERIODIC_HOLD_NAMES = MEMORY TIME
SYSTEM_PERIODIC_HOLD_MEMORY = JobStatus == 2 && MemoryUsage > RequestMemory
SYSTEM_PERIODIC_HOLD_MEMORY_REASON = "memory usage exceeded request_memory"
SYSTEM_PERIODIC_HOLD_MEMORY_SUBCODE = 1
SYSTEM_PERIODIC_HOLD_TIME = JobStatus == 2 && JobCategory =?= "express" \\
    && time() - JobCurrentStartDate > 12
SYSTEM_PERIODIC_HOLD_TIME_REASON = "the job category's wall time is over"
"""


class HTCondor:
    """All of HTCondor's daemons for one machine, in a system of their own."""

    def __init__(self, folder: Path, root: Path, *, job_limit: int = 1000) -> None:
        self.folder = folder
        self._root = root
        (folder / "settings").write_text(SETTINGS.format(port=_free_port(), job_limit=job_limit))
        (folder / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        self._holder: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a driver in there."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": "/home/tester",
            "USER": "tester",
            "LANG": "C.UTF-8",
        }

    def command(self, command: Sequence[str], cwd: Path, *, user: int = USER) -> list[str]:
        """Return the command that runs another one in there, as an ordinary user."""
        assert self._holder is not None
        inside = 'cd "$0" && exec "$@"'
        return [
            *("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt"),
            *("chroot", f"--userspec={user}:{user}", str(self._root)),
            *("sh", "-c", inside, str(cwd), *command),
        ]

    def stop_queue(self) -> None:
        """Stop the daemon that users talk to; jobs run on."""
        self.run("condor_off", "-schedd", "-fast", user=0)

    def start_queue(self) -> None:
        """Start it again."""
        self.run("condor_on", "-schedd", user=0)

    def run(
        self, *command: str, cwd: Path | None = None, check: bool = True, user: int = USER
    ) -> str:
        """Run a command in there and return what it printed."""
        done = subprocess.run(
            self.command(command, cwd or Path("/"), user=user),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def jobs(self) -> list[str]:
        """Return the names of the jobs that wait or run."""
        rows = self.run("condor_q", "-af", "GlobalJobId", "JobStatus").splitlines()
        found = [(job_name(job), status) for job, status in (row.split() for row in rows)]
        return [str(job) for job, status in found if status in "1267"]

    def start(self) -> None:
        """Start all and wait until the node takes jobs."""
        shown = [self.folder, REPOSITORY, *_python()]
        with (self.folder / "master.out").open("wb") as log:
            self._holder = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={
                    "PATH": SEARCHED,
                    "ROOT": str(self._root),
                    "FOLDER": str(self.folder),
                    "SHOWN": " ".join(str(path) for path in shown),
                },
                text=True,
                start_new_session=True,
            )
        try:
            assert self._holder.stdout is not None
            assert self._holder.stdout.readline() == "started\n"
            _wait_for(self._is_idle)
        except (AssertionError, TimeoutError) as error:
            said = (self.folder / "master.out").read_text()
            self.stop()
            raise RuntimeError(f"HTCondor does not start: {said}") from error

    def stop(self) -> None:
        """End jobs and servers, and with them the mounts."""
        holder = self._holder
        if holder is None:
            return
        namespace = _mounts_of(holder.pid)
        assert holder.stdin is not None
        holder.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            holder.wait(timeout=20)
        for pid in _processes_in(namespace) if namespace else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        holder.wait()
        self._holder = None

    def _is_idle(self) -> bool:
        seen = self.run("condor_status", "-af", "State", check=False)
        return "Unclaimed" in seen and self.run("condor_q", "-af", "ClusterId", check=False) == ""


def missing() -> str | None:
    """Return in one line why there can be no HTCondor here, None if there can."""
    if os.getuid() != 0:
        return "HTCondor's own system (debootstrap, mounts) can only be made by root"
    tools = [name for name in TOOLS if shutil.which(name, path=SEARCHED) is None]
    if tools:
        return f"not installed, for HTCondor's own system: {', '.join(tools)}"
    return None


def system() -> Path:
    """Return the folder of the system with HTCondor, made from the machine's own Debian mirror."""
    if CACHE.is_dir():
        return CACHE
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{CACHE.name}.", dir=CACHE.parent))
    new.chmod(0o755)
    log = new.with_suffix(f"{new.suffix}.log")
    script = MAKE.format(release=RELEASE, packages=" ".join(PACKAGES), user=USER)
    try:
        with log.open("wb") as file:
            subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", str(new), _mirror()],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, "PATH": SEARCHED},
                check=True,
            )
        new.rename(CACHE)
    except subprocess.CalledProcessError as error:
        last = log.read_text(errors="replace").splitlines()[-5:]
        raise RuntimeError(f"HTCondor's own system cannot be made: {last}; see {log}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    log.unlink()
    return CACHE


def _python() -> list[Path]:
    """Return where this Python lies; Debian's own shares /usr with much else."""
    base = Path(sys.base_prefix).resolve()
    if base == Path("/usr"):
        return [
            Path(sys.prefix),
            Path(sys.executable).resolve(),
            Path(sysconfig.get_path("stdlib")),
        ]
    return [Path(sys.prefix), base]


def _mirror() -> str:
    """Return the mirror from which this machine installs its own Debian packages."""
    codename = [
        line.partition("=")[2].strip('"')
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    ]
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    found = [uri for uri, release in (line.split() for line in listed) if release in codename]
    if not found:
        raise RuntimeError("apt's sources name no Debian mirror")
    return found[0]


@contextmanager
def running_htcondor(**options: int) -> Iterator[HTCondor]:
    """Run an HTCondor; what lies in its folder is seen from in there, too."""
    folder = Path(tempfile.mkdtemp(prefix="htcondor-"))
    folder.chmod(0o755)
    server = HTCondor(folder, system(), **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _mounts_of(pid: int) -> str | None:
    """Return the mount namespace of a process."""
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return None


def _processes_in(namespace: str) -> list[int]:
    pids = [int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit()]
    return [pid for pid in pids if _mounts_of(pid) == namespace]


def _wait_for(condition: object) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
