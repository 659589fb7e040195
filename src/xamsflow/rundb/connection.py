"""Reach the run database: address, tunnel, credentials."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote_plus, urlsplit

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import PyMongoError
from pymongo.synchronous import monitor
from pymongo.uri_parser import parse_uri

from xamsflow.base.errors import ConfigurationError
from xamsflow.rundb import credentials
from xamsflow.rundb.database import RunDatabase
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.settings import config

# Do not let PyMongo wait for its idle threads when the process ends: this takes half a second for
# each command and each short job. The name is private and may disappear.
if (wait_for_threads := getattr(monitor, "_shutdown_resources", None)) is not None:
    atexit.unregister(wait_for_threads)

PORT = 27017
"""MongoDB's default port."""

TIMEOUTS_MS = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
}
"""Short, because a person waits at the terminal. Options in rundb.uri take precedence."""


@contextmanager
def open_database(rundb: config.Rundb) -> Iterator[RunDatabase]:
    """Open a connection to the run database; threads may share it, forked processes may not.

    The next use reopens a lost connection. Raises TransientError if the server does not respond,
    ConfigurationError if the address, user, password or access rights are wrong.
    """
    address = _address(rundb.uri)
    options = _options(rundb, address)
    endpoint = Endpoint(address.netloc)
    with ExitStack() as stack:
        if rundb.tunnel is not None:
            # Loads paramiko only if there is a tunnel.
            from xamsflow.rundb import tunnel  # noqa: PLC0415

            host, port = _single_host(address)
            way = stack.enter_context(tunnel.opened(rundb.tunnel, host, port))
            address = address._replace(netloc=quote_plus(str(way.socket_path)))
            # The names by which members of a replica set know each other are not valid here.
            options["directConnection"] = True
            endpoint = Endpoint(f"{host}:{port} behind {rundb.tunnel.host}", way)
        with endpoint.errors():
            client: MongoClient[dict[str, Any]] = stack.enter_context(
                MongoClient(address.geturl(), **options)
            )
            client.admin.command("ping")
        # Whatever the address says: a claim would be missed if read from a lagging secondary,
        # or written without acknowledgement.
        database = client.get_database(
            rundb.database,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
        )
        yield RunDatabase(database[rundb.collection], endpoint)


class Connection:
    """The run database, opened when it is first needed and then kept until the next `with` ends.

    After that, it can be opened again.
    """

    def __init__(self, rundb: config.Rundb) -> None:
        self._settings = rundb
        self._open: tuple[RunDatabase, ExitStack] | None = None

    def opened(self) -> RunDatabase:
        """Return the run database; raises as :func:`open_database`."""
        if self._open is None:
            stack = ExitStack()
            self._open = stack.enter_context(open_database(self._settings)), stack
        return self._open[0]

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._open is not None:
            (_, stack), self._open = self._open, None
            stack.close()

    def __enter__(self) -> RunDatabase:
        return self.opened()

    def __exit__(self, *_: object) -> None:
        self.close()


def _address(uri: str) -> SplitResult:
    """Return the parts of a MongoDB address; pymongo itself would only warn about wrong ones."""
    if "@" in uri:
        raise ConfigurationError(
            "rundb.uri contains a user or password",
            "remove them: they belong in MONGO_USER and MONGO_PASSWORD or rundb.credentials_file",
        )
    try:
        address = urlsplit(uri)
        if address.scheme == "mongodb":  # checking mongodb+srv needs the name service
            parse_uri(uri)
    except (PyMongoError, ValueError, TypeError) as error:
        # Its options may contain a password, too: the address is not shown.
        raise ConfigurationError(f"rundb.uri cannot be read ({error})") from None
    return address


def _options(rundb: config.Rundb, address: SplitResult) -> dict[str, Any]:
    given = {name.lower() for name in parse_qs(address.query)}
    options: dict[str, Any] = {
        name: value for name, value in TIMEOUTS_MS.items() if name.lower() not in given
    }
    options["appname"] = "xamsflow"
    options["tz_aware"] = True
    # One date outside Python's range must not make the whole document unreadable.
    options["datetime_conversion"] = "DATETIME_AUTO"
    found = credentials.find(rundb.credentials_file)
    if found is not None:
        options["username"] = found.user
        options["password"] = found.password
        if "authsource" not in given and address.path in ("", "/"):
            options["authSource"] = "admin"
    return options


def _single_host(address: SplitResult) -> tuple[str, int]:
    """Return the host and port: a tunnel needs exactly one."""
    try:
        host, port = address.hostname, address.port
    except ValueError:
        host, port = None, None
    if address.scheme != "mongodb" or host is None or "," in host or "%" in host:
        raise ConfigurationError(
            f"rundb.uri names {address.netloc!r}",
            "with rundb.tunnel, it must name a single host, such as mongodb://127.0.0.1:27017",
        )
    return host, port or PORT
