"""ssh: connections from Python, and the equivalent command for rsync.

Both make the same connection: OpenSSH itself says what ``~/.ssh/config`` means for a host (aliases,
jump hosts, keys), and the settings of this project take precedence. Neither asks for passwords or
anything else, and both refuse hosts with unknown keys.
"""

import logging
import os
import pwd
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.settings.config import SshHost

CONNECT_TIMEOUT = 15
"""Seconds after which an unresponsive host counts as unreachable."""

KEEPALIVE = 15
"""Seconds between keepalive messages on an idle connection."""

KEEPALIVE_MISSED = 4
"""Unanswered keepalive messages after which OpenSSH closes a connection."""

CONFIG_TIMEOUT = 10
"""Seconds that OpenSSH may take to read its configuration."""

NO_CONFIG = ["-F", "none"]

KEY_TRIES = 6
"""Number of keys that OpenSSH's server lets a client try, MaxAuthTries in sshd_config(5)."""

# Without a handler, Python prints paramiko's tracebacks in addition to our one-line message.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextmanager
def connect(target: SshHost) -> Iterator[paramiko.SSHClient]:
    """Yield a connection to a host, which closes at the end of the block.

    Raises TransientError if the host is unreachable or the connection drops, ConfigurationError if
    the host's key is unknown or has changed, or if the host refuses our key.
    """
    way = _way(target)
    with paramiko.SSHClient() as client:
        revoked = _load_known_hosts(client, target, way)
        client.set_missing_host_key_policy(_RefuseUnknown(target, way))
        _check_identity(target)
        try:
            client.connect(
                way.hostname,
                port=way.port,
                username=way.user,
                key_filename=[str(file) for file in way.identity_files],  # type: ignore[arg-type]
                allow_agent=way.agent,
                look_for_keys=False,
                timeout=CONNECT_TIMEOUT,
                banner_timeout=CONNECT_TIMEOUT,
                auth_timeout=CONNECT_TIMEOUT,
                channel_timeout=CONNECT_TIMEOUT,
                sock=paramiko.ProxyCommand(way.proxy) if way.proxy else None,
            )
        except (OSError, paramiko.SSHException, EOFError, ValueError) as error:
            raise _connect_error(error, target, way, client) from error
        transport = client.get_transport()
        if transport is not None and transport.get_remote_server_key() in revoked:
            raise ConfigurationError(
                f"the key of {describe(target)} is revoked in your known hosts",
                "ask the host's administrator for its new key",
            )
        if transport is not None:
            transport.set_keepalive(KEEPALIVE)
        yield client


def command(target: SshHost) -> list[str]:
    """Return the OpenSSH command equivalent to :func:`connect`.

    It is intended for ``rsync -e``, which appends the host and the remote command to these options.
    """
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": str(KEEPALIVE),
        "ServerAliveCountMax": str(KEEPALIVE_MISSED),
        "LogLevel": "ERROR",
        "RemoteCommand": "none",
        "PermitLocalCommand": "no",
        "ForwardAgent": "no",
        "ControlPath": "none",
    }
    home = _other_home()
    if target.known_hosts is not None:
        options["UserKnownHostsFile"] = _option_path(target.known_hosts)
        options["GlobalKnownHostsFile"] = "/dev/null"
    elif _config_file(home) == NO_CONFIG and home is not None:
        options["UserKnownHostsFile"] = _option_path(home / ".ssh" / "known_hosts")
    identity_files = []
    if target.identity_file is not None:
        options["IdentitiesOnly"] = "yes"
        identity_files = [target.identity_file]
    elif _config_file(home) == NO_CONFIG and home is not None:
        identity_files = [home / ".ssh" / f"id_{kind}" for kind in ("ed25519", "ecdsa", "rsa")]
    result = ["ssh", *_config_file(home), "-T", "-x"]
    if target.port != paramiko.config.SSH_PORT:
        result += ["-p", str(target.port)]
    if target.user is not None:
        result += ["-l", target.user]
    for name, value in options.items():
        result += ["-o", f"{name}={value}"]
    for file in identity_files:
        result += ["-o", f"IdentityFile={_option_path(file)}"]
    return result


def describe(target: SshHost) -> str:
    """Return the host in the usual notation: ``user@host``, with the port if it is not 22."""
    user = f"{target.user}@" if target.user else ""
    port = f" (port {target.port})" if target.port != paramiko.config.SSH_PORT else ""
    return f"{user}{target.host}{port}"


@dataclass(frozen=True)
class _Way:
    """How OpenSSH reaches a host; `proxy` is the command that carries the connection."""

    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    agent: bool
    known_hosts: tuple[Path, ...]
    proxy: str | None


def _way(target: SshHost) -> _Way:
    """Ask OpenSSH, with the options for rsync, how it reaches a host."""
    options = command(target)
    try:
        answer = subprocess.run(
            [*options, "-G", "--", target.host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CONFIG_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigurationError("ssh is missing on this machine", "install ssh") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransientError(f"ssh cannot be started ({error})", "try again later") from error
    if answer.returncode != 0:
        raise ConfigurationError(
            f"ssh rejects its configuration for {target.host}: {answer.stderr}",
            "correct ~/.ssh/config",
        )
    found: dict[str, list[str]] = {}
    for line in answer.stdout.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    hostname, port, user = (found[name][0] for name in ("hostname", "port", "user"))
    if target.identity_file is not None:
        identity_files = [target.identity_file]
    else:
        values = {"h": hostname, "r": user, "n": target.host, "d": str(Path.home())}
        named = (
            Path(_expanded(file, values)).expanduser() for file in found.get("identityfile", ())
        )
        identity_files = [file for file in named if os.access(file, os.R_OK)]
    if target.known_hosts is not None:
        known_hosts = [target.known_hosts]
    else:
        both = (*found.get("userknownhostsfile", ()), *found.get("globalknownhostsfile", ()))
        names = (Path(name).expanduser() for line in both for name in line.split())
        known_hosts = [file for file in names if file.exists()]
    return _Way(
        hostname,
        int(port),
        user,
        tuple(identity_files),
        found.get("identitiesonly") != ["yes"],
        tuple(known_hosts),
        _proxy(found, hostname, port, user, target.host),
    )


def _proxy(
    found: dict[str, list[str]], hostname: str, port: str, user: str, alias: str
) -> str | None:
    """Return the command that carries the connection, without which there is none."""
    through = found.get("proxycommand", ["none"])[0]
    if through != "none":
        values = {"h": hostname, "p": port, "r": user, "n": alias}
        return shlex.join(["sh", "-c", f"exec {_expanded(through, values)}"])
    jumps = found.get("proxyjump", ["none"])[0]
    if jumps == "none":
        return None
    *before, last = jumps.split(",")
    ssh = ["ssh", *_config_file(_other_home()), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    ssh += ["-o", f"ConnectTimeout={CONNECT_TIMEOUT}", "-o", "ClearAllForwardings=no"]
    ssh += ["-J", ",".join(before)] if before else []
    login, _, place = last.rpartition("@")
    host, _, its_port = place.rpartition(":") if place.count(":") == 1 else (place, "", "")
    ssh += ["-l", login] if login else []
    ssh += ["-p", its_port] if its_port else []
    return shlex.join([*ssh, "-W", f"[{hostname}]:{port}", "--", host])


def _expanded(text: str, values: Mapping[str, str]) -> str:
    """Replace OpenSSH's tokens, see TOKENS in ssh_config(5); unknown ones stay."""
    values = {"%": "%", **values}
    return re.sub("%(.)", lambda token: values.get(token[1], token[0]), text)


def _other_home() -> Path | None:
    """Return HOME if it is not the account's home, which OpenSSH would use regardless of HOME."""
    try:
        account: str | None = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        account = None
    home = os.environ.get("HOME")
    return None if not home or home == account else Path(home)


def _config_file(home: Path | None) -> list[str]:
    """Return OpenSSH's option for another configuration file than that of the account."""
    if home is None:
        return []
    file = home / ".ssh" / "config"
    return ["-F", str(file)] if os.access(file, os.R_OK) else NO_CONFIG


class _RefuseUnknown(paramiko.RejectPolicy):
    """A policy that refuses hosts with unknown keys and says how to add the keys."""

    def __init__(self, target: SshHost, way: _Way) -> None:
        self._target = target
        self._way = way

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002
        hostname: str,  # noqa: ARG002
        key: paramiko.PKey,
    ) -> NoReturn:
        target = self._target
        where = f"in {target.known_hosts}" if target.known_hosts else "to you"
        if target.known_hosts and not self._way.proxy:
            how = f"ssh-keyscan -p {self._way.port} {self._way.hostname} >> '{target.known_hosts}'"
        else:
            port = f"-p {target.port} " if target.port != paramiko.config.SSH_PORT else ""
            login = f"-l {target.user} " if target.user else ""
            how = f"connect once by hand with ssh {port}{login}{target.host}"
        raise ConfigurationError(
            f"the key of {describe(target)} is not known {where}",
            f"{how}, and compare its fingerprint {key.fingerprint} with the one on the host",
        )


def _load_known_hosts(
    client: paramiko.SSHClient, target: SshHost, way: _Way
) -> list[paramiko.PKey]:
    """Load the known keys into a client; return the host's revoked keys.

    Keys of certificate authorities are skipped: paramiko cannot use them.
    """
    revoked = paramiko.HostKeys()
    keys = client.get_host_keys()
    for file in way.known_hosts:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the known hosts in {file} ({error.strerror})",
                f"create it with ssh-keyscan -p {target.port} {target.host} and compare the keys",
            ) from error
        for number, line in enumerate(lines, start=1):
            marker, _, rest = line.strip().partition(" ")
            if marker == "@cert-authority" or marker.startswith("#"):
                continue
            try:
                entry = HostKeyEntry.from_line(
                    rest.strip() if marker == "@revoked" else line.strip(), number
                )
            except (InvalidHostKey, ValueError, paramiko.SSHException) as error:
                raise ConfigurationError(
                    f"{file} is not a valid known_hosts file: line {number}: {error}",
                    "remove that line, or create the file again",
                ) from error
            if entry is None:
                continue
            wanted = revoked if marker == "@revoked" else keys
            for name in entry.hostnames:
                wanted.add(name, entry.key.get_name(), entry.key)
    port = way.port
    name = way.hostname if port == paramiko.config.SSH_PORT else f"[{way.hostname}]:{port}"
    return list((revoked.lookup(name) or {}).values())


def _check_identity(target: SshHost) -> None:
    """Report an unreadable key; paramiko would report a refused key or a lost connection."""
    if target.identity_file is None:
        return
    try:
        with target.identity_file.open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the identity file {target.identity_file} ({error.strerror})",
            "correct identity_file in the configuration",
        ) from error


def _connect_error(
    error: Exception, target: SshHost, way: _Way, client: paramiko.SSHClient
) -> XamsflowError:
    host = describe(target)
    if isinstance(error, paramiko.BadHostKeyException):
        name = (
            way.hostname if way.port == paramiko.config.SSH_PORT else f"[{way.hostname}]:{way.port}"
        )
        file = f" -f '{target.known_hosts}'" if target.known_hosts else ""
        return ConfigurationError(
            f"the key of {host} has changed; it is now {error.key.fingerprint}",
            "somebody may be intercepting the connection: ask the host's administrator; only if "
            f"the new key is right, remove the old one with ssh-keygen{file} -R '{name}'",
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return ConfigurationError(
            f"the key for {host} has a passphrase",
            "load it into an ssh agent and leave identity_file empty, or use a key without one",
        )
    if isinstance(error, socket.gaierror):
        return _unknown_name(error, target, way)
    if way.proxy and not _is_active(client):
        return TransientError(
            f"cannot reach {host} by ssh through {way.proxy} ({_text(error)})",
            "try that command, check hosts and network",
        )
    return _login_error(error, target, way, client)


def _unknown_name(error: socket.gaierror, target: SshHost, way: _Way) -> XamsflowError:
    if "." not in way.hostname:
        return ConfigurationError(
            f"there is no host {target.host} ({error.strerror}), and no alias of this name in "
            "~/.ssh/config",
            "correct the name, or add it to ~/.ssh/config",
        )
    return TransientError(
        f"the host name {target.host} cannot be resolved ({error.strerror})",
        "check the name and the network",
    )


def _is_active(client: paramiko.SSHClient) -> bool:
    transport = client.get_transport()
    return transport is not None and transport.is_active()


def _login_error(
    error: Exception, target: SshHost, way: _Way, client: paramiko.SSHClient
) -> XamsflowError:
    host = describe(target)
    # paramiko has no exception class for "all keys refused"; the connection is then still active.
    if isinstance(error, paramiko.SSHException) and _is_active(client):
        keys = target.identity_file or "your usual keys and agent"
        return ConfigurationError(
            f"{host} refused the login with {keys} ({error})",
            "check user and identity_file, and that the public key is in authorized_keys there",
        )
    tried = len(way.identity_files) + (len(paramiko.Agent().get_keys()) if way.agent else 0)
    transport = client.get_transport()
    in_login = transport is not None and transport.initial_kex_done
    if in_login and isinstance(error, paramiko.SSHException) and tried >= KEY_TRIES:
        return ConfigurationError(
            f"{host} closed the connection: too many keys were tried ({tried}, agent included)",
            "set identity_file to the right one",
        )
    return TransientError(f"cannot reach {host} by ssh ({_text(error)})", "check host and network")


def _text(error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(sorted({str(reason.args[-1]) for reason in error.errors.values()}))
    return str(error) or type(error).__name__


def _option_path(path: Path) -> str:
    """Return a path as the value of an OpenSSH option.

    OpenSSH splits such values at spaces and expands ``%``, ``~`` and ``${}``. Its versions escape
    quotes differently, so paths that would need escaping are refused.
    """
    text = str(path.absolute())
    if any(character in text for character in "\"'\\$\n"):
        raise ConfigurationError(
            f"ssh cannot use the file {text!r}", "choose a path without quotes, backslashes and $"
        )
    return '"' + text.replace("%", "%%") + '"'
