"""Reach the run database: address, tunnel, credentials."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote_plus, urlsplit

from pymongo import MongoClient

from xamsflow import config
from xamsflow.errors import ConfigurationError
from xamsflow.rundb import credentials
from xamsflow.rundb.database import RunDatabase
from xamsflow.rundb.mongo_errors import Endpoint

PORT = 27017
"""MongoDB's own port, where the address names none."""

TIMEOUTS_MS = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
}
"""A person waits at the terminal: say soon that nobody answers. Options in rundb.uri come first."""


@contextmanager
def open_database(rundb: config.Rundb) -> Iterator[RunDatabase]:
    """Hold a connection to the run database; threads may share it, forked processes may not.

    A connection that is lost is made again on the next use. Raises TransientError where nobody
    answers, ConfigurationError where address, user, password or rights are wrong.
    """
    address = urlsplit(rundb.uri)
    if "@" in address.netloc:
        raise ConfigurationError(
            "rundb.uri holds a user or password",
            "take them out: they belong in MONGO_USER and MONGO_PASSWORD or rundb.credentials_file",
        )
    options = _options(rundb, address)
    endpoint = Endpoint(address.netloc)
    with ExitStack() as stack:
        if rundb.tunnel is not None:
            # paramiko is not loaded for those who need no tunnel.
            from xamsflow.rundb import tunnel  # noqa: PLC0415

            host, port = _single_host(address)
            way = stack.enter_context(tunnel.opened(rundb.tunnel, host, port))
            address = address._replace(netloc=quote_plus(str(way.socket_path)))
            # The names that members of a replica set have for each other lead nowhere from here.
            options["directConnection"] = True
            endpoint = Endpoint(f"{host}:{port} behind {rundb.tunnel.host}", way)
        with endpoint.errors():
            client = stack.enter_context(_client(address, options))
            client.admin.command("ping")
        yield RunDatabase(client[rundb.database][rundb.collection], endpoint)


def _client(address: SplitResult, options: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    try:
        return MongoClient(address.geturl(), **options)
    except (ValueError, TypeError) as error:  # an option with an impossible value
        raise ConfigurationError(f"rundb.uri cannot be used ({error})") from None


def _options(rundb: config.Rundb, address: SplitResult) -> dict[str, Any]:
    given = {name.lower() for name in parse_qs(address.query)}
    options: dict[str, Any] = {
        name: value for name, value in TIMEOUTS_MS.items() if name.lower() not in given
    }
    options["appname"] = "xamsflow"
    options["tz_aware"] = True
    # A date out of Python's range in one field must not make the whole document unreadable.
    options["datetime_conversion"] = "DATETIME_AUTO"
    found = credentials.find(rundb.credentials_file)
    if found is not None:
        options["username"] = found.user
        options["password"] = found.password
        if "authsource" not in given and address.path in ("", "/"):
            options["authSource"] = "admin"
    return options


def _single_host(address: SplitResult) -> tuple[str, int]:
    """Return host and port, of which the tunnel needs exactly one."""
    try:
        host, port = address.hostname, address.port
    except ValueError:
        host, port = None, None
    if address.scheme != "mongodb" or host is None or "," in host or "%" in host:
        raise ConfigurationError(
            f"rundb.uri names {address.netloc!r}",
            "with rundb.tunnel it must name one host, as mongodb://127.0.0.1:27017",
        )
    return host, port or PORT
