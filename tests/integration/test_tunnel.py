import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote_plus

import pymongo
import pytest
import yaml

from servers.mongod import scratch
from servers.sshd import Sshd, make_key, running_sshd
from xamsflow import rundb
from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.rundb import tunnel
from xamsflow.settings.config import Select

FAST = "serverSelectionTimeoutMS=1500"
ALL = Select(first_run=None, last_run=None, modes=("*",), skip_tags=(), newest=None)
RUN = {"number": 932, "mode": "led", "end": 1, "processing_status": "pending"}


@pytest.fixture(autouse=True)
def no_credentials_of_ours(monkeypatch, tmp_path):
    monkeypatch.delenv("MONGO_USER", raising=False)
    monkeypatch.delenv("MONGO_PASSWORD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def sshd(tmp_path):
    with running_sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def quick_reconnect(monkeypatch):
    """Reopen a lost connection at once: nobody is locked out here."""
    monkeypatch.setattr(tunnel, "PAUSE_S", 0.0)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_run_database_is_reached_through_ssh(sshd, mongod_with_users):
    config = scratch(mongod_with_users, sshd.target())
    with rundb.open_database(config) as database:
        database.insert(RUN)
        assert [run.number for run in database.pending(ALL)] == [932]
        claim = database.claim_any(932, "me", ["events"])
        assert database.done(claim)
        big = {"type": "x", "location": "x" * 3_000_000}  # more than ssh's window takes at once
        assert database.add_data(932, big)
        assert database.get(932)["data"][0] == big
    with rundb.open_database(scratch(mongod_with_users, sshd.target())) as database:
        assert database.runs() == []


ANALYSE_AND_END = """
import pathlib, sys
import xamsflow

site = xamsflow.open(sys.argv[1], directory=pathlib.Path(sys.argv[1]).parent)
print(*site.runs()["run_id"])
"""


def test_a_script_that_leaves_a_site_open_ends(sshd, mongod, tmp_path):
    target = sshd.target()
    tunnel_of = {name: str(value) for name, value in vars(target).items() if value is not None}
    database = scratch(mongod, target)
    with rundb.open_database(database) as opened:
        opened.insert(RUN)
    settings = {
        "uri": database.uri,
        "database": database.database,
        "collection": database.collection,
        "tunnel": tunnel_of | {"port": target.port},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump({"rundb": settings}))
    script = [sys.executable, "-c", ANALYSE_AND_END, str(tmp_path / "site.yaml")]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("000932\n", 0), done.stderr


def test_several_threads_share_the_tunnel(sshd, mongod):
    with rundb.open_database(scratch(mongod, sshd.target())) as database:
        database.insert(RUN)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(database.get(932)["mode"]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["led"] * 8


def test_nobody_else_can_use_it_and_nothing_of_it_stays(sshd, mongod, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = set(threading.enumerate())
    with tunnel.opened(sshd.target(), "127.0.0.1", mongod.port) as opened:
        folder = opened.socket_path.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.getuid()
        assert stat.S_ISSOCK(opened.socket_path.stat().st_mode)
    assert not folder.exists()
    wait_until(lambda: set(threading.enumerate()) <= before)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def error_of(ask) -> str:
    try:
        ask()
    except XamsflowError as error:
        return str(error)
    return ""


def test_a_long_temporary_folder_does_not_matter(sshd, mongod, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with rundb.open_database(scratch(mongod, sshd.target())) as database:
        assert database.runs() == []


def test_an_unknown_host_key_is_configuration(sshd, mongod, tmp_path):
    empty = tmp_path / "none"
    empty.write_text("")
    config = scratch(mongod, sshd.target(known_hosts=empty))
    with pytest.raises(ConfigurationError, match="is not known"):
        rundb.open_database(config).__enter__()


def test_a_refused_login_is_configuration(sshd, mongod, tmp_path):
    make_key(tmp_path / "stranger")
    config = scratch(mongod, sshd.target(identity_file=tmp_path / "stranger"))
    with pytest.raises(ConfigurationError, match="refused the login"):
        rundb.open_database(config).__enter__()


def test_no_ssh_server_is_transient(sshd, mongod):
    sshd.kill()
    with pytest.raises(TransientError, match=r"cannot reach .*127.0.0.1"):
        rundb.open_database(scratch(mongod, sshd.target())).__enter__()


def test_no_mongodb_behind_it_is_transient(sshd, mongod):
    port = closed_port()
    config = scratch(mongod, sshd.target(), FAST)
    config = type(config)(**{**vars(config), "uri": f"mongodb://127.0.0.1:{port}/?{FAST}"})
    with pytest.raises(TransientError, match=f"127.0.0.1:{port}, as seen from .* not respond: is"):
        rundb.open_database(config).__enter__()


def test_forbidden_tunnels_are_configuration(mongod, tmp_path):
    server = Sshd(tmp_path / "sshd")
    settings = server.folder / "sshd_config"
    settings.write_text(
        settings.read_text().replace("AllowTcpForwarding yes", "AllowTcpForwarding no")
    )
    server.start()
    try:
        with pytest.raises(ConfigurationError, match=r"does not allow tunnels to 127.0.0.1:"):
            rundb.open_database(scratch(mongod, server.target(), FAST)).__enter__()
    finally:
        server.kill()


def test_a_killed_ssh_server_is_transient_and_its_return_is_noticed(sshd, mongod, quick_reconnect):
    with rundb.open_database(scratch(mongod, sshd.target(), FAST)) as database:
        database.insert(RUN)
        sshd.kill()
        with pytest.raises(TransientError, match=r"127.0.0.1"):
            database.get(932)
        wait_until(lambda: "cannot reach" in error_of(database.runs))
        sshd.start()
        wait_until(lambda: not error_of(database.runs))
        assert database.get(932)["mode"] == "led"


def test_a_host_that_came_back_with_another_key_is_not_trusted(
    sshd, mongod, tmp_path, quick_reconnect
):
    with rundb.open_database(scratch(mongod, sshd.target(), FAST)) as database:
        sshd.kill()
        for file in (sshd.host_key, Path(f"{sshd.host_key}.pub")):
            file.unlink()
        make_key(sshd.host_key)
        sshd.start()
        # The connection that was open is noticed as broken first.
        wait_until(lambda: "has changed" in error_of(database.runs))
        with pytest.raises(ConfigurationError, match=r"key of .* has changed"):
            database.runs()


def test_a_dead_host_is_not_knocked_at_all_the_time(sshd, mongod, monkeypatch):
    monkeypatch.setattr(tunnel, "PAUSE_S", 3600.0)
    with tunnel.opened(sshd.target(), "127.0.0.1", mongod.port) as opened:
        # Once something got through, sshd has started all processes of the connection.
        with pymongo.MongoClient(f"mongodb://{quote_plus(str(opened.socket_path))}") as client:
            client.admin.command("ping")
        sshd.kill()

        def through() -> bytes:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(str(opened.socket_path))
                return connection.recv(1)

        wait_until(lambda: through() == b"" and "cannot reach" in str(opened.failure))
        failure = opened.failure
        sshd.start()
        assert through() == b""
        assert opened.failure is failure


@pytest.mark.parametrize(
    "uri",
    ["mongodb://a:1,b:1", "mongodb+srv://cluster.example", "mongodb://%2Ftmp%2Fmongodb.sock"],
)
def test_a_tunnel_leads_to_one_host(uri, sshd, mongod):
    config = scratch(mongod, sshd.target())
    config = type(config)(**{**vars(config), "uri": uri})
    with pytest.raises(ConfigurationError, match="must name a single host"):
        rundb.open_database(config).__enter__()
