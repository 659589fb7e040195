"""Host names as people type them: ``user@host``, and aliases from ``~/.ssh/config``."""

import os
import pwd
import subprocess
from pathlib import Path

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings.config import SshHost

INDIRECT = ("proxyjump", "proxycommand")
"""Ways through other hosts, which only ``~/.ssh/config`` can describe."""

Options = dict[str, list[str]]


def resolve(name: str) -> SshHost:
    """Return what OpenSSH would use for a name: host, port, user, key and known hosts.

    Values that are OpenSSH's defaults are None. If OpenSSH goes through another host, the alias
    stays an alias. Raises ConfigurationError if OpenSSH does not accept the name.
    """
    if not name or name.startswith("-") or any(letter.isspace() for letter in name):
        raise ConfigurationError(f"{name!r} is not a host", "give a name such as user@host")
    own = Path.home() / ".ssh" / "config"
    found, usual = _options(name, str(own) if own.exists() else "none"), _options(name, "none")
    if any(found.get(key, ["none"]) != ["none"] for key in INDIRECT):
        login, _, host = name.rpartition("@")
        return SshHost(host, user=login or None)
    user = found["user"][0]
    return SshHost(
        host=found["hostname"][0],
        port=int(found["port"][0]),
        user=None if user == pwd.getpwuid(os.geteuid()).pw_name else user,
        identity_file=_chosen(found, usual, "identityfile"),
        known_hosts=_chosen(found, usual, "userknownhostsfile"),
    )


def _options(name: str, file: str) -> Options:
    """Return the options that OpenSSH would use with a configuration file, by lower-case name."""
    try:
        said = subprocess.run(
            ["ssh", "-F", file, "-G", "--", name], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise ConfigurationError("ssh is not installed", "install openssh-client") from error
    if said.returncode:
        reason = said.stderr.strip().splitlines()
        raise ConfigurationError(
            f"ssh does not accept {name} ({reason[-1] if reason else said.returncode})",
            "correct the name, or ~/.ssh/config",
        )
    options: Options = {}
    for line in said.stdout.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options


def _chosen(found: Options, usual: Options, key: str) -> Path | None:
    """Return the first file that a person chose and that exists, None for OpenSSH's defaults."""
    if found.get(key) == usual.get(key):
        return None
    words = [word for value in found.get(key, []) for word in (value, *value.split())]
    files = [Path(word).expanduser() for word in words]
    return next((file for file in files if file.is_file()), None)
