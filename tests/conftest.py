"""What all tests share."""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from site_for_tests import Site
from xamsflow.simulate import embedded_mongod
from xamsflow.simulate.embedded_mongod import MongoServer

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
UNIT = REPOSITORY / "tests" / "unit"

OF_THE_USER = ("BASH_ENV", "MONGO_", "SNAKEMAKE_", "SSH_", "XAMSFLOW_", "XDG_")
"""What the names of variables begin with that lead to files, keys and servers of the user."""
CHOICES = ("XAMSFLOW_GOOD_RUNS",)
"""Variables that are for the tests."""

# A shell lets what it starts in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine makes no test fail.
settings.register_profile("slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slow")


def pytest_configure(config: pytest.Config) -> None:
    """Give all tests a home of their own: they see no credentials, keys or login files."""
    if hasattr(config, "workerinput"):  # a process of xdist, with the environment of the first
        return
    for name in list(os.environ):
        if name.startswith(OF_THE_USER) and name not in CHOICES:
            del os.environ[name]
    # Tests have settings of their own: no site.yaml of whoever runs them.
    os.environ["XAMSFLOW_SITE"] = os.devnull
    os.environ["HOME"] = tempfile.mkdtemp(prefix="xamsflow-home-")
    config.add_cleanup(lambda: shutil.rmtree(os.environ["HOME"], ignore_errors=True))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep tests that share something in one process, and begin with them.

    There is one batch system on a machine. Its tests come first: they mostly wait, so that all
    others are run beside them. Unit tests come last: they are short, so that all processes end at
    about the same time.
    """
    for item in items:
        if _needs_the_batch_system(item):
            item.add_marker(pytest.mark.xdist_group("batch"))
    yield
    items.sort(
        key=lambda item: (
            not _needs_the_batch_system(item),
            item.get_closest_marker("xdist_group") is None,
            item.path.is_relative_to(UNIT),
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Stop if groups have no effect: versions of pytest and pytest-xdist must go together."""
    if any("/test_batch_" in name and not name.endswith("@batch") for name in ids):
        pytest.exit("pytest-xdist ignores groups of tests: install requirements.lock", 3)


def _needs_the_batch_system(item: pytest.Item) -> bool:
    return item.path.name.startswith("test_batch")


@pytest.fixture(autouse=True)
def _same_working_directory() -> Iterator[None]:
    """The command goes to its --directory; that of a test which passed is removed."""
    before = Path.cwd()
    yield
    os.chdir(before)


@pytest.fixture
def real_data() -> Path:
    """Return the folder with the real run 002240, where it lies beside the repository."""
    if not (SHARED_DATA / "live_data" / "002240").is_dir():
        pytest.skip("the real run 002240 is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A real MongoDB server on loopback, for all tests that do not stop or change it."""
    with embedded_mongod.running(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="session")
def mongod_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A real MongoDB server that asks for user and password."""
    with embedded_mongod.running(tmp_path_factory.mktemp("mongod-auth"), auth=True) as server:
        yield server


@pytest.fixture
def make_site(tmp_path: Path, mongod: MongoServer) -> Callable[..., Site]:
    """Return a function that makes a site with a run database of its own."""

    def make(**settings: Any) -> Site:
        name = f"test_{secrets.token_hex(6)}"
        return Site(tmp_path / "site", mongod.uri, name, settings)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site as it is by default."""
    return make_site()
