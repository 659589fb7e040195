"""Check the DAQ host: ssh, host key, rsync, the folder with the runs, clock."""

import os
from collections.abc import Iterator
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
from xamsflow.settings.config import Daq, SshHost

FOLDER = "DAQ folder"
"""The name of the checks that look for the runs; the others look at the host."""

ANSWER_S = 20
"""Seconds that a command on the DAQ host may take."""

NO_COMMAND = 127
"""Exit code of shells if a command is not found."""


def examine(daq: Daq) -> Iterator[Result]:
    """Check access to the runs, and the programs and folders needed on the DAQ host."""
    if daq.ssh is None:
        yield visible(daq.live_data)
        return
    with errors_are_problems("DAQ ssh") as found, ssh.connect(daq.ssh) as client:
        found.append(login(daq.ssh, client))
        if (noise := _run(client, "true")[1]) != "":
            remedy = "let the login files there (such as .bashrc) print only on a terminal"
            found.append(problem("DAQ shell", f"prints {noise[:60]!r} at each command", remedy))
            yield from found
            return
        found.append(remote_rsync(daq.ssh, client))
        if daq.live_data is not None:
            found.append(remote_folder(client, daq.live_data))
        found.append(remote_clock(client))
    yield from found


def visible(live_data: Path | None) -> Result:
    """Check the folder with the runs if the DAQ's disk is mounted on this machine."""
    name = FOLDER
    if live_data is None:
        return ok(name, "taken from each run document (daq.host and daq.live_data are null)")
    if not live_data.is_dir():
        return problem(name, f"{live_data} is missing", "mount it, or correct daq.live_data")
    if not os.access(live_data, os.R_OK | os.X_OK):
        return problem(name, f"{live_data} cannot be read", "check its owner and mode")
    return ok(name, str(live_data))


def login(target: SshHost, client: paramiko.SSHClient) -> Result:
    """Report the server and its host key, which was verified when connecting."""
    transport = client.get_transport()
    assert transport is not None, "a connected client has a transport"
    key = transport.get_remote_server_key().fingerprint
    return ok("DAQ ssh", f"{ssh.describe(target)}, {transport.remote_version}, host key {key}")


def remote_rsync(target: SshHost, client: paramiko.SSHClient) -> Result:
    """Check that rsync is installed on the DAQ host."""
    name = "DAQ rsync"
    code, said = _run(client, "rsync --version")
    if code == NO_COMMAND:
        return problem(name, f"missing on {target.host}", "install rsync there")
    if code != 0:
        return problem(name, f"does not run on {target.host} (code {code})", "try it there")
    words = said.split()
    return ok(name, words[words.index("version") + 1] if "version" in words else "installed")


def remote_folder(client: paramiko.SSHClient, live_data: Path) -> Result:
    """Check that the folder with the runs exists, and count the runs in it."""
    name = FOLDER
    try:
        with client.open_sftp() as sftp:
            entries = sftp.listdir(str(live_data))
    except FileNotFoundError:
        return problem(name, f"{live_data} is missing there", "mount it, or correct daq.live_data")
    except (OSError, paramiko.SSHException) as error:
        return problem(name, f"{live_data} cannot be read ({error})", "check its permissions there")
    runs = sum(len(entry) == 6 and entry.isdecimal() for entry in entries)
    if not runs:
        return warning(name, f"{live_data} has no runs", "is its disk mounted there?")
    return ok(name, f"{live_data}, {runs} runs")


def remote_clock(client: paramiko.SSHClient) -> Result:
    """Compare the DAQ host's clock with this host's."""

    def ask() -> datetime:
        code, said = _run(client, "date +%s.%N")
        try:
            return datetime.fromtimestamp(float(said), UTC)
        except ValueError:
            raise TransientError(
                f"date fails on the DAQ host (exit code {code})", "run date there manually"
            ) from None

    with errors_are_problems("DAQ clock") as found:
        found.append(clock_of("DAQ clock", ask))
    return found[0]


def _run(client: paramiko.SSHClient, command: str) -> tuple[int, str]:
    """Run a command on the DAQ host; return its exit code and output."""
    try:
        _, output, _ = client.exec_command(command, timeout=ANSWER_S)
        said = output.read().decode("utf-8", "replace")
        return output.channel.recv_exit_status(), said.strip()
    except (OSError, paramiko.SSHException, EOFError) as error:
        raise TransientError(
            f"{command} does not answer on the DAQ host ({error})", "try again"
        ) from error
