"""Scripts in forks of a server: they look to everybody as if they ran by themselves."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xamsflow.base import fork_client, fork_server, memory

SERVER = """
import sys
from xamsflow.base import fork_server
fork_server.serve(int(sys.argv[1]), lambda script: None)
"""

ABOUT = """
import json, os, sys
print(json.dumps([os.getppid(), sys.argv, os.getcwd(), os.environ.get("GIVEN"), sys.stdin.read()]))
print("to stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""

WAITS = """
import pathlib, os, signal, time
def ended(*_):
    pathlib.Path("told").touch()
    raise SystemExit(7)
signal.signal(signal.SIGTERM, ended)
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


SIGNALLED = f"""
import os, signal
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
{SERVER}
"""


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that starts a server as a driver does, with this program."""
    monkeypatch.setenv(fork_client.VARIABLE, "")  # restored at the end
    monkeypatch.setattr(fork_server, "_servers", [])
    program = tmp_path / "serve.py"

    def start(text: str, log: str = "logs/serve.log") -> "subprocess.Popen[bytes]":
        program.write_text(text)
        fork_server.start(program, log=tmp_path / log)
        return fork_server._servers[-1]

    return start


@pytest.fixture
def server(tmp_path: Path, start: Start) -> Iterator["subprocess.Popen[bytes]"]:
    """A fork server, which ends with the driver."""
    running = start(SERVER)
    yield running
    assert running.stdin is not None
    running.stdin.close()  # as the kernel does when the driver ends
    assert running.wait(20) in (0, -signal.SIGKILL)
    assert (tmp_path / "logs" / "serve.log").read_text() == ""


def client(folder: Path, text: str, *arguments: str) -> "subprocess.Popen[str]":
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.Popen(
        [*fork_server.command(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"GIVEN": "x" * 100_000},
    )


def pid_of(folder: Path) -> int:
    file, deadline = folder / "pid", time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return int(file.read_text())


def wait_until_asleep(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_until_refused() -> None:
    deadline, refused = time.monotonic() + 20, False
    while not refused:
        assert time.monotonic() < deadline
        with socket.socket(socket.AF_UNIX) as probe:
            refused = probe.connect_ex("\0" + os.environ[fork_client.VARIABLE]) != 0


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_script_has_its_streams_arguments_folder_environment_and_exit_code(server, tmp_path):
    asked = client(tmp_path, ABOUT, "3", "a b")
    out, err = asked.communicate("typed")
    script = str(tmp_path / "script.py")
    parent, *about = json.loads(out)
    assert about == [[script, "3", "a b"], str(tmp_path), "x" * 100_000, "typed"]
    assert parent == server.pid, "it is a fork of the server"
    assert (err, asked.returncode) == ("to stderr\n", 3)


@pytest.mark.parametrize(
    ("text", "code", "last"),
    [
        ("raise SystemExit('one line')", 1, "one line"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -11, ""),
    ],
)
def test_a_script_that_fails_looks_like_one_that_ran_by_itself(server, tmp_path, text, code, last):
    failed = client(tmp_path, text)
    _, err = failed.communicate()
    assert (failed.returncode, err.strip().rpartition("\n")[2]) == (code, last)
    assert server.poll() is None, "and concerns nobody else"


def test_without_a_server_the_script_runs_nevertheless(tmp_path, monkeypatch):
    for name in ("", "xamsflow-ended"):
        monkeypatch.setenv(fork_client.VARIABLE, name)
        alone = client(tmp_path, ABOUT, "4")
        out, _ = alone.communicate("")
        assert (alone.returncode, out.partition(",")[0]) == (4, f"[{os.getpid()}")


def test_sigterm_is_passed_on_and_sigkill_too(server, tmp_path):
    told = client(tmp_path, WAITS)
    pid_of(tmp_path)
    told.terminate()
    told.communicate()
    assert (told.returncode, (tmp_path / "told").exists()) == (7, True)

    (tmp_path / "pid").unlink()
    killed = client(tmp_path, WAITS)
    pid = pid_of(tmp_path)
    killed.kill()
    killed.communicate()
    wait_for_end(pid)


def test_a_signal_right_after_the_fork_ends_the_script(start, tmp_path):
    running = start(SIGNALLED)
    told = client(tmp_path, "open('begun', 'x')")
    told.communicate()
    assert (told.returncode, (tmp_path / "begun").exists()) == (-signal.SIGTERM, False)
    running.stdin.close()
    assert running.wait(20) == 0


def test_scripts_outlive_the_driver_but_not_the_server(server, tmp_path):
    waits = client(tmp_path, WAITS)
    pid = pid_of(tmp_path)
    server.stdin.close()
    server.send_signal(signal.SIGTERM)  # as a batch system does
    wait_until_refused()
    assert server.poll() is None
    alone = client(tmp_path, ABOUT, "5")
    parent, *_ = json.loads(alone.communicate("")[0])
    assert alone.returncode == 5
    assert parent == os.getpid(), "it serves nobody else"
    server.kill()
    waits.communicate()
    assert (waits.returncode, (tmp_path / "told").exists()) == (1, True)
    wait_for_end(pid)


LOADS = """
import sys, time
from xamsflow.base import fork_server
def load(script):
    print("loads", script, flush=True, file=sys.stderr)
    print("printed by a library")  # must not appear in the output of each script
    if script == "fails":
        raise ImportError("why")
    if script == "slow":
        time.sleep(60)
fork_server.serve(int(sys.argv[1]), load)
"""


def test_what_a_script_needs_is_loaded_once_and_before_it(start, tmp_path, monkeypatch):
    """A load that fails, or that Ctrl-C ends, concerns no script that runs."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    server, log = start(LOADS), tmp_path / "logs" / "serve.log"
    for name in ("script", "fails", "slow"):
        (tmp_path / name).mkdir()

    def ask(name: str, text: str) -> "subprocess.Popen[str]":
        script = tmp_path / name / f"{name}.py"
        script.write_text(text)
        command = fork_server.command(script)
        return subprocess.Popen(command, cwd=script.parent, text=True, stdout=subprocess.PIPE)

    for name in ("script", "script", "fails"):
        out, _ = ask(name, "import os; print(os.getppid())").communicate()
        assert out == f"{server.pid}\n"
    waits = ask("script", WAITS)
    pid_of(tmp_path / "script")
    slow = ask("slow", "open('begun', 'x')")
    deadline = time.monotonic() + 20
    while "loads slow" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for process in (slow, server):  # as a terminal does
        process.send_signal(signal.SIGINT)
    slow.communicate(timeout=20)
    assert (slow.returncode, (tmp_path / "slow" / "begun").exists()) == (-signal.SIGINT, False)
    assert server.poll() is None
    waits.terminate()
    waits.communicate()
    assert waits.returncode == 7
    assert server.wait(20) == 0
    server.stdin.close()
    lines = log.read_text().splitlines()
    assert [line for line in lines if line.startswith("loads")] == [
        "loads script", "loads fails", "loads slow",
    ]  # fmt: skip
    assert lines[-2] == "ImportError: why"


def connected() -> socket.socket:
    """Return a client that sends nothing: the server waits for it, and events collect."""
    waits = socket.socket(socket.AF_UNIX)
    waits.connect("\0" + os.environ[fork_client.VARIABLE])
    return waits


def test_a_script_and_its_client_that_end_at_once_concern_nobody_else(server, tmp_path):
    both = client(tmp_path, WAITS)
    pid = pid_of(tmp_path)
    with connected():
        time.sleep(0.05)  # the server has turned to it
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        both.kill()
        both.communicate()
    asked = client(tmp_path, ABOUT, "3")
    out, _ = asked.communicate("")
    assert (json.loads(out)[0], asked.returncode) == (server.pid, 3)


def test_a_client_that_comes_as_the_driver_ends_concerns_nobody_else(server, tmp_path):
    waits = client(tmp_path, WAITS)
    pid_of(tmp_path)
    wait_until_asleep(server.pid)  # it learns that the driver has ended before it meets the client
    server.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED)
    server.stdin.close()
    late = connected()
    server.send_signal(signal.SIGCONT)
    with late, pytest.raises(ConnectionResetError):
        late.recv(1)
    time.sleep(0.05)
    assert server.poll() is None
    waits.terminate()
    waits.communicate()
    assert waits.returncode == 7, "its end was not noticed by the loss of the server"


def test_ctrl_c_before_the_server_is_ready_ends_the_client(tmp_path, monkeypatch):
    """The server ends, too; the client must not run the script by itself."""
    with socket.socket(socket.AF_UNIX) as loading:
        loading.bind(f"\0xamsflow-{tmp_path}")
        loading.listen()
        monkeypatch.setenv(fork_client.VARIABLE, f"xamsflow-{tmp_path}")
        stopped = client(tmp_path, "open('begun', 'x')")
        connection, _ = loading.accept()
        with connection:
            _, streams = fork_server._receive(connection)
            for stream in streams:
                os.close(stream)
            stopped.send_signal(signal.SIGINT)
        stopped.communicate()
    assert (stopped.returncode, (tmp_path / "begun").exists()) == (-signal.SIGINT, False)


@pytest.mark.parametrize("sent", [b"", b"\0", fork_client.NUMBER.pack(3) + b"{x}"])
def test_a_client_that_sends_no_request_concerns_nobody_else(server, tmp_path, sent):
    with connected() as odd:
        if sent:
            socket.send_fds(odd, [sent], [0, 1, 2])
    asked = client(tmp_path, ABOUT, "3")
    out, _ = asked.communicate("")
    assert json.loads(out)[0] == server.pid


@pytest.mark.parametrize("where", ["logs/serve.log", "file/serve.log"])
def test_the_log_says_why_a_server_fails(start, tmp_path, where):
    """If the log cannot be written, the server starts all the same."""
    (tmp_path / "file").touch()
    failed = start("raise RuntimeError('why')", where)
    assert failed.wait(20) == 1
    failed.stdin.close()
    assert where == "file/serve.log" or "RuntimeError: why" in (tmp_path / where).read_text()


def test_a_server_is_known_to_the_process_that_started_it(server):
    assert fork_server.processes() == {server.pid}


def test_a_server_uses_huge_pages(server):
    environment = Path(f"/proc/{server.pid}/environ").read_text().split("\0")
    assert {f"{name}={value}" for name, value in memory.HUGE_PAGES.items()} <= set(environment)
