"""The package's real MongoDB server as tests need it: restarted, as a replica set, with a rival."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pymongo
from pymongo import monitoring
from pymongo.collection import Collection

from xamsflow import rundb
from xamsflow.rundb.mongo_errors import Endpoint
from xamsflow.settings.config import Rundb, SshHost
from xamsflow.simulate import embedded_mongod
from xamsflow.simulate.embedded_mongod import MongoServer


class Mongod:
    """A server that a test can stop and start again, on the same port and with its data."""

    def __init__(self, folder: Path, *, auth: bool = False, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._how = {"auth": auth, "options": options}
        self._exit = ExitStack()
        self.server = self._exit.enter_context(embedded_mongod.running(folder, **self._how))

    def start(self) -> None:
        """Start the server again."""
        again = embedded_mongod.running(self._folder, port=self.server.port, **self._how)
        self.server = self._exit.enter_context(again)

    def stop(self) -> None:
        """Stop the server, if it is running."""
        self._exit.close()


@contextmanager
def restartable(
    folder: Path, *, auth: bool = False, options: Sequence[str] = ()
) -> Iterator[Mongod]:
    """Run a server that can be stopped and started within the block."""
    mongod = Mongod(folder, auth=auth, options=options)
    try:
        yield mongod
    finally:
        mongod.stop()


def make_replica_set(server: MongoServer) -> None:
    """Make a server started with ``--replSet rs`` the only member, and primary, of a set."""
    member = {"_id": 0, "host": f"127.0.0.1:{server.port}"}
    with pymongo.MongoClient[dict[str, Any]](server.uri, directConnection=True) as client:
        client.admin.command("replSetInitiate", {"_id": "rs", "members": [member]})
        while not client.admin.command("hello")["isWritablePrimary"]:
            time.sleep(0.05)


def scratch(server: MongoServer, tunnel: SshHost | None = None, options: str = "") -> Rundb:
    """Return the configuration of a new, empty run database on a server.

    `options` are those of a MongoDB address, as ``serverSelectionTimeoutMS=500``.
    """
    return Rundb(
        uri=f"{server.uri}/?{options}" if options else server.uri,
        credentials_file=server.credentials_file,
        database=f"test_{secrets.token_hex(6)}",
        collection="runs_new",
        tunnel=tunnel,
    )


@contextmanager
def collection(server: MongoServer, where: Rundb) -> Iterator[Collection[dict[str, Any]]]:
    """Hold the collection itself, as other tools do."""
    with pymongo.MongoClient[dict[str, Any]](
        server.uri, username=server.user, password=server.password, tz_aware=True
    ) as client:
        yield client[where.database][where.collection]


class _Rival(monitoring.CommandListener):
    def __init__(self, command: str, act: Callable[[], object]) -> None:
        self._command = command
        self._act = act

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name == self._command:
            self._act()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@contextmanager
def with_rival(
    where: Rundb, command: str, act: Callable[[], object]
) -> Iterator[rundb.RunDatabase]:
    """Hold a run database where another program acts right after each `command` of ours."""
    rival = _Rival(command, act)
    with pymongo.MongoClient[dict[str, Any]](
        where.uri, tz_aware=True, event_listeners=[rival]
    ) as client:
        yield rundb.RunDatabase(client[where.database][where.collection], Endpoint(where.uri))
