"""What several modules share: run documents, a DAQ host, a batch system; long tests last."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from batch_workflow import Workflow
from servers import slurm
from servers.mongod import collection, scratch
from servers.slurm import Slurm
from servers.sshd import Sshd, running_sshd
from xamsflow import rundb
from xamsflow.settings.config import Rundb, SshHost
from xamsflow.simulate.embedded_mongod import MongoServer


@pytest.fixture
def config(mongod: MongoServer) -> Rundb:
    """The settings for a collection of the test's own."""
    return scratch(mongod)


@pytest.fixture
def runs(
    mongod: MongoServer, config: Rundb
) -> Iterator[pymongo.collection.Collection[dict[str, Any]]]:
    """That collection."""
    with collection(mongod, config) as found:
        yield found


@pytest.fixture
def database(config: Rundb) -> Iterator[rundb.RunDatabase]:
    """The run database there."""
    with rundb.open_database(config) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real sshd on loopback: the DAQ host."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def slurm_server() -> Iterator[Slurm]:
    """A real Slurm, with Torque's commands too."""
    with slurm.running_slurm() as running:
        yield running


@pytest.fixture
def workflow(
    tmp_path: Path,
    slurm_server: Slurm,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Workflow]:
    """A small workflow through that Slurm, by the module's PROFILE."""
    monkeypatch.chdir(tmp_path)
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, slurm_server.environment[name])
    running = Workflow(tmp_path, slurm_server, request.module.PROFILE)
    try:
        yield running
    finally:
        running.close()
        for job in running.jobs():
            slurm_server.run("scancel", "--signal=KILL", job, check=False)


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest, server: Sshd) -> SshHost | None:
    """The DAQ host: this machine, and by ssh."""
    return server.target() if request.param == "ssh" else None


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "waits: waits for what a fixture has started")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put a test marked as waiting behind the others of its module: what it waits for goes on."""
    waiting = [item for item in items if item.get_closest_marker("waits")]
    for item in waiting:
        items.remove(item)
        same = [place for place, other in enumerate(items) if other.path == item.path]
        items.insert(same[-1] + 1 if same else len(items), item)
