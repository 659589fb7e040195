"""Check the DAQ host and other sources: ssh, host key, rsync, the folder with the runs, clock."""

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import paramiko

from xamsflow.base.errors import TransientError
from xamsflow.operate.doctor.check import (
    Result,
    clock_of,
    errors_are_problems,
    ok,
    problem,
    warning,
)
from xamsflow.remote import ssh
from xamsflow.settings.config import Daq, Source, SshHost

FOLDER = "DAQ folder"
"""The name of the checks that look for the runs; the others look at the host."""

ANSWER_S = 20
"""Seconds that a command on another host may take."""

NO_COMMAND = 127
"""Exit code of shells if a command is not found."""


def examine(daq: Daq) -> Iterator[Result]:
    """Check access to the runs, and the programs and folders needed on the DAQ host."""
    yield from _examine("DAQ", daq, with_clock=True)


def copies(sources: Iterable[Daq | Source]) -> Iterator[Result]:
    """Check the same, except for the clock, at each place that keeps copies of runs."""
    for source in sources:
        if isinstance(source, Source):
            yield from _examine(source.name, source, with_clock=False)


def _examine(whose: str, place: Daq | Source, *, with_clock: bool) -> Iterator[Result]:
    if place.ssh is None:
        yield visible(place.live_data, whose)
        return
    with errors_are_problems(f"{whose} ssh") as found, ssh.connect(place.ssh) as client:
        found.append(login(place.ssh, client, whose))
        if (noise := _run(client, "true")[1]) != "":
            remedy = "let the login files there (such as .bashrc) print only on a terminal"
            said = f"prints {noise[:60]!r} whenever a command runs"
            found.append(problem(f"{whose} shell", said, remedy))
            yield from found
            return
        found.append(remote_rsync(place.ssh, client, whose))
        if place.live_data is not None:
            found.append(remote_folder(client, place.live_data, whose))
        if with_clock:
            found.append(remote_clock(client))
    yield from found


def visible(live_data: Path | None, whose: str = "DAQ") -> Result:
    """Check the folder with the runs if its disk is mounted on this machine."""
    name = f"{whose} folder"
    if live_data is None:
        return ok(name, "as in each run document (host and live_data are null)")
    if not live_data.is_dir():
        return problem(name, f"{live_data} is missing", f"mount it, or correct {_key(whose)}")
    if not os.access(live_data, os.R_OK | os.X_OK):
        return problem(name, f"{live_data} cannot be read", "check its owner and mode")
    return ok(name, str(live_data))


def login(target: SshHost, client: paramiko.SSHClient, whose: str) -> Result:
    """Report the server and its host key, which was verified when connecting."""
    transport = client.get_transport()
    assert transport is not None, "a connected client has a transport"
    key = transport.get_remote_server_key().fingerprint
    return ok(f"{whose} ssh", f"{ssh.describe(target)}, {transport.remote_version}, host key {key}")


def remote_rsync(target: SshHost, client: paramiko.SSHClient, whose: str) -> Result:
    """Check that rsync is installed on a host."""
    name = f"{whose} rsync"
    code, said = _run(client, "rsync --version")
    if code == NO_COMMAND:
        return problem(name, f"missing on {target.host}", "install rsync there")
    if code != 0:
        return problem(name, f"does not run on {target.host} (code {code})", "try to run it there")
    words = said.split()
    return ok(name, words[words.index("version") + 1] if "version" in words else "installed")


def remote_folder(client: paramiko.SSHClient, live_data: Path, whose: str) -> Result:
    """Check that the folder with the runs exists, and count the runs in it."""
    name = f"{whose} folder"
    remedy = f"mount it, or correct {_key(whose)}"
    try:
        with client.open_sftp() as sftp:
            entries = sftp.listdir(str(live_data))
    except FileNotFoundError:
        return problem(name, f"{live_data} is missing there", remedy)
    except (OSError, paramiko.SSHException) as error:
        return problem(name, f"{live_data} cannot be read ({error})", "check its permissions there")
    runs = sum(len(entry) == 6 and entry.isdecimal() for entry in entries)
    if not runs:
        return warning(name, f"{live_data} has no runs", "is its disk mounted there?")
    return ok(name, f"{live_data}, {runs} runs")


def _key(whose: str) -> str:
    """Return the setting that holds the folder."""
    return "daq.live_data" if whose == "DAQ" else f"live_data of {whose} in sources"


def remote_clock(client: paramiko.SSHClient) -> Result:
    """Compare the DAQ host's clock with this host's."""

    def ask() -> datetime:
        code, said = _run(client, "date +%s.%N")
        try:
            return datetime.fromtimestamp(float(said), UTC)
        except ValueError:
            raise TransientError(
                f"date fails on the DAQ host (exit code {code})", "run date there by hand"
            ) from None

    with errors_are_problems("DAQ clock") as found:
        found.append(clock_of("DAQ clock", ask))
    return found[0]


def _run(client: paramiko.SSHClient, command: str) -> tuple[int, str]:
    """Run a command on a host; return its exit code and output."""
    try:
        _, output, _ = client.exec_command(command, timeout=ANSWER_S)
        said = output.read().decode("utf-8", "replace")
        return output.channel.recv_exit_status(), said.strip()
    except (OSError, paramiko.SSHException, EOFError) as error:
        raise TransientError(f"{command} does not respond there ({error})", "try again") from error
