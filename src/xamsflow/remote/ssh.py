"""ssh: connections from Python, and the equivalent command for rsync.

Both use only the configuration: they ignore ``~/.ssh/config``, never ask for passwords or
anything else, and refuse hosts with unknown keys.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import paramiko
from paramiko.hostkeys import InvalidHostKey

from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.settings.config import SshHost

CONNECT_TIMEOUT = 15
"""Seconds after which an unresponsive host counts as unreachable."""

KEEPALIVE = 15
"""Seconds between keepalive messages on an idle connection."""

KEEPALIVE_MISSED = 4
"""Unanswered keepalive messages after which OpenSSH closes a connection."""

GLOBAL_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")

# Without a handler, Python prints paramiko's tracebacks in addition to our one-line message.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextmanager
def connect(target: SshHost) -> Iterator[paramiko.SSHClient]:
    """Yield a connection to a host, which closes at the end of the block.

    Raises TransientError if the host is unreachable or the connection drops, ConfigurationError if
    the host's key is unknown or has changed, or if the host refuses our key.
    """
    with paramiko.SSHClient() as client:
        _load_known_hosts(client, target)
        client.set_missing_host_key_policy(_RefuseUnknown(target))
        _check_identity(target)
        try:
            client.connect(
                target.host,
                port=target.port,
                username=target.user,
                key_filename=str(target.identity_file) if target.identity_file else None,
                allow_agent=target.identity_file is None,
                look_for_keys=target.identity_file is None,
                timeout=CONNECT_TIMEOUT,
                banner_timeout=CONNECT_TIMEOUT,
                auth_timeout=CONNECT_TIMEOUT,
                channel_timeout=CONNECT_TIMEOUT,
            )
        except (OSError, paramiko.SSHException, EOFError, ValueError) as error:
            raise _connect_error(error, target, client) from error
        transport = client.get_transport()
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
    }
    if target.known_hosts is not None:
        options["UserKnownHostsFile"] = _option_path(target.known_hosts)
        options["GlobalKnownHostsFile"] = "/dev/null"
    if target.identity_file is not None:
        options["IdentitiesOnly"] = "yes"
        options["IdentityFile"] = _option_path(target.identity_file)
    result = ["ssh", "-F", "none", "-T", "-x", "-p", str(target.port)]
    if target.user is not None:
        result += ["-l", target.user]
    for name, value in options.items():
        result += ["-o", f"{name}={value}"]
    return result


def describe(target: SshHost) -> str:
    """Return the host in the usual notation: ``user@host``, with the port if it is not 22."""
    user = f"{target.user}@" if target.user else ""
    port = f" (port {target.port})" if target.port != paramiko.config.SSH_PORT else ""
    return f"{user}{target.host}{port}"


class _RefuseUnknown(paramiko.RejectPolicy):
    """A policy that refuses hosts with unknown keys and says how to add the keys."""

    def __init__(self, target: SshHost) -> None:
        self._target = target

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002
        hostname: str,  # noqa: ARG002
        key: paramiko.PKey,
    ) -> NoReturn:
        target = self._target
        where = f"in {target.known_hosts}" if target.known_hosts else "to you"
        if target.known_hosts:
            how = f"ssh-keyscan -p {target.port} {target.host} >> '{target.known_hosts}'"
        else:
            login = f"-l {target.user} " if target.user else ""
            how = f"connect once by hand with ssh -p {target.port} {login}{target.host}"
        raise ConfigurationError(
            f"the key of {describe(target)} is not known {where}",
            f"{how}, and compare its fingerprint {key.fingerprint} with the one on the host",
        )


def _load_known_hosts(client: paramiko.SSHClient, target: SshHost) -> None:
    if target.known_hosts is not None:
        files = [target.known_hosts]
    else:
        own = Path.home() / ".ssh" / "known_hosts"
        files = [file for file in (own, GLOBAL_KNOWN_HOSTS) if file.exists()]
    for file in files:
        try:
            client.load_host_keys(str(file))
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the known hosts in {file} ({error.strerror})",
                f"create it with ssh-keyscan -p {target.port} {target.host} and compare the keys",
            ) from error
        except (InvalidHostKey, ValueError) as error:
            raise ConfigurationError(
                f"{file} is not a valid known_hosts file: {error}",
                "remove the invalid line, for example with ssh-keygen -R, or create the file again",
            ) from error


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


def _connect_error(error: Exception, target: SshHost, client: paramiko.SSHClient) -> XamsflowError:
    host = describe(target)
    if isinstance(error, paramiko.BadHostKeyException):
        name = (
            target.host
            if target.port == paramiko.config.SSH_PORT
            else f"[{target.host}]:{target.port}"
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
        return TransientError(
            f"the host name {target.host} cannot be resolved ({error.strerror})",
            "check the name and the network",
        )
    # paramiko has no exception class for "all keys refused"; the connection is then still active.
    transport = client.get_transport()
    if isinstance(error, paramiko.SSHException) and transport and transport.is_active():
        keys = target.identity_file or "your usual keys and agent"
        return ConfigurationError(
            f"{host} refused the login with {keys} ({error})",
            "check user and identity_file, and that the public key is in authorized_keys there",
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
