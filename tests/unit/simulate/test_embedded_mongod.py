import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pymongo
import pytest

from xamsflow import cli
from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.simulate import embedded_mongod


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} goes on")


def listening(port: int) -> set[str]:
    """Return the addresses on which somebody listens at a port, as /proc/net writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, hexadecimal = fields[1].rpartition(":")
                if fields[3] == "0A" and int(hexadecimal, 16) == port:
                    found.add(address)
    return found


def test_it_listens_on_loopback_only_and_ends_with_the_block(tmp_path):
    with embedded_mongod.running(tmp_path / "db") as server:
        with pymongo.MongoClient(server.uri) as client:
            assert client.admin.command("ping")["ok"] == 1
        assert listening(server.port) == {"0100007F"}  # 127.0.0.1, bytes in the host's order
        assert server.log.is_file()
    wait_for_end(server.pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_it_ends_also_when_the_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), embedded_mongod.running(tmp_path) as server:
        _ = 1 / 0
    wait_for_end(server.pid)


def test_its_data_are_there_again(tmp_path):
    with embedded_mongod.running(tmp_path, auth=True) as first, open_as_user(first) as client:
        client.run.runs.insert_one({"number": 1})
    with embedded_mongod.running(tmp_path, auth=True) as second, open_as_user(second) as client:
        assert client.run.runs.find_one()["number"] == 1
        assert second.password == first.password


def open_as_user(server):
    return pymongo.MongoClient(server.uri, username=server.user, password=server.password)


def test_with_authentication_nothing_can_be_read_without(tmp_path):
    with embedded_mongod.running(tmp_path, auth=True) as server:
        with pymongo.MongoClient(server.uri) as client, pytest.raises(Exception, match="auth"):
            client.run.runs.find_one()
        with open_as_user(server) as client:
            assert client.run.runs.find_one() is None
        assert server.password not in repr(server)
        assert server.password not in server.uri
        assert server.password not in server.log.read_text()
        assert stat.S_IMODE(server.credentials_file.stat().st_mode) == 0o600


def test_a_taken_port_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(TransientError, match=r"port .* is taken"),
            embedded_mongod.running(tmp_path, port=port),
        ):
            pass


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        embedded_mongod.running(tmp_path),
        pytest.raises(TransientError, match="already uses"),
        embedded_mongod.running(tmp_path),
    ):
        pass


def test_it_does_not_outlive_its_parent(tmp_path):
    program = (
        "import sys, time; from pathlib import Path\n"
        "from xamsflow.simulate import embedded_mongod\n"
        "with embedded_mongod.running(Path(sys.argv[1])) as server:\n"
        "    print(server.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_for_end(pid)


def test_the_demo_says_what_to_install_before_it_makes_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(embedded_mongod, "PACKAGE", "a-package-that-is-not-installed")
    assert cli.main(["demo", "--directory", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "make install-demo" in said
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_cannot_run_is_explained_in_one_line(tmp_path, monkeypatch):
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'version GLIBC_9.99 not found' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(embedded_mongod, "_program", lambda: broken)
    with (
        pytest.raises(ConfigurationError, match=r"GLIBC_9.99 not found\): .*rundb.uri"),
        embedded_mongod.running(tmp_path / "db"),
    ):
        pass
    broken.write_bytes(b"\x7fELF another machine")
    with (
        pytest.raises(ConfigurationError, match=r"Exec format error\): .*x86-64"),
        embedded_mongod.running(tmp_path / "db"),
    ):
        pass


def test_missing_libraries_are_named_with_their_packages(tmp_path, monkeypatch):
    ldd = tmp_path / "bin" / "ldd"
    ldd.parent.mkdir()
    ldd.write_text(
        "#!/bin/sh\n"
        "echo '\tlibcurl.so.4 => not found'\n"
        "echo '\tlibcrypto.so.3 => not found'\n"
        "echo '\tlibssl.so.3 => not found'\n"
        "echo '\tlibm.so.6 => /lib/libm.so.6 (0x1)'\n"
    )
    mongod = tmp_path / "mongod"
    mongod.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2; exit 127\n")
    for file in (ldd, mongod):
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ldd.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(embedded_mongod, "_program", lambda: mongod)
    with (
        pytest.raises(ConfigurationError, match=r"apt-get install libcurl4 libssl3$"),
        embedded_mongod.running(tmp_path / "db"),
    ):
        pass
