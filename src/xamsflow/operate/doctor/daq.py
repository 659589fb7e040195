"""The DAQ host: ssh, its host key, rsync there, the folder of the runs, its clock."""

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

ANSWER_S = 20
"""How long a command there may take."""

NO_COMMAND = 127
"""Exit code of shells for a command that they do not find."""


def examine(daq: Daq) -> Iterator[Result]:
    """Check the way to the runs and what is needed there."""
    if daq.ssh is None:
        yield visible(daq.live_data)
        return
    with errors_are_problems("DAQ ssh") as found, ssh.connect(daq.ssh) as client:
        found.append(login(daq.ssh, client))
        found.append(remote_rsync(daq.ssh, client))
        if daq.live_data is not None:
            found.append(remote_folder(client, daq.live_data))
        found.append(remote_clock(client))
    yield from found


def visible(live_data: Path | None) -> Result:
    """Check the folder of the runs where the DAQ's disk is mounted on this machine."""
    name = "DAQ folder"
    if live_data is None:
        return ok(name, "as each run document says (daq.host and daq.live_data are null)")
    if not live_data.is_dir():
        return problem(name, f"{live_data} is missing", "mount it, or correct daq.live_data")
    if not os.access(live_data, os.R_OK | os.X_OK):
        return problem(name, f"{live_data} cannot be read", "check its owner and mode")
    return ok(name, str(live_data))


def login(target: SshHost, client: paramiko.SSHClient) -> Result:
    """Say who answers; that the key is the known one was checked before."""
    transport = client.get_transport()
    assert transport is not None, "a client that is connected has a transport"
    key = transport.get_remote_server_key().fingerprint
    return ok("DAQ ssh", f"{ssh.describe(target)}, {transport.remote_version}, host key {key}")


def remote_rsync(target: SshHost, client: paramiko.SSHClient) -> Result:
    """Check that rsync is there."""
    name = "DAQ rsync"
    code, said = _run(client, "rsync --version")
    if code == NO_COMMAND:
        return problem(name, f"missing on {target.host}", "install rsync there")
    if code != 0:
        return problem(name, f"does not run on {target.host} (code {code})", "try it there by hand")
    words = said.split()
    return ok(name, words[words.index("version") + 1] if "version" in words else "there")


def remote_folder(client: paramiko.SSHClient, live_data: Path) -> Result:
    """Check that the folder of the runs is there, and how many there are."""
    name = "DAQ folder"
    try:
        with client.open_sftp() as sftp:
            entries = sftp.listdir(str(live_data))
    except FileNotFoundError:
        return problem(name, f"{live_data} is missing there", "mount it, or correct daq.live_data")
    except (OSError, paramiko.SSHException) as error:
        return problem(name, f"{live_data} cannot be read ({error})", "check the rights there")
    runs = sum(len(entry) == 6 and entry.isdecimal() for entry in entries)
    if not runs:
        return warning(name, f"{live_data} has no runs", "is its disk mounted there?")
    return ok(name, f"{live_data}, {runs} runs")


def remote_clock(client: paramiko.SSHClient) -> Result:
    """Compare the clock there with the one here."""

    def ask() -> datetime:
        code, said = _run(client, "date +%s.%N")
        try:
            return datetime.fromtimestamp(float(said), UTC)
        except ValueError:
            raise TransientError(f"date does not answer there (code {code})", "try it") from None

    with errors_are_problems("DAQ clock") as found:
        found.append(clock_of("DAQ clock", ask))
    return found[0]


def _run(client: paramiko.SSHClient, command: str) -> tuple[int, str]:
    """Return exit code and output of a command there."""
    try:
        _, output, _ = client.exec_command(command, timeout=ANSWER_S)
        said = output.read().decode("utf-8", "replace")
        return output.channel.recv_exit_status(), said.strip()
    except (OSError, paramiko.SSHException, EOFError) as error:
        raise TransientError(f"{command} gave no answer there ({error})", "try again") from error
