"""Tests see no home but their own."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from servers.sshd import running_sshd
from xamsflow.remote import ssh

USERS_HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)

FEW_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""For the tests inside these tests, which need none and would load all."""

INNER = """
import os
from pathlib import Path

def test_nothing_of_the_user_is_seen():
    assert not (Path.home() / ".bashrc").exists()
    assert "MONGO_USER" not in os.environ
    assert "XDG_CONFIG_HOME" not in os.environ
"""


def test_files_and_variables_of_the_user_are_out_of_sight(tmp_path):
    (tmp_path / ".bashrc").write_text("echo hello; sleep 60\n")
    inner = tmp_path / "test_inner.py"
    inner.write_text(INNER)
    conftest = Path(__file__).parents[1] / "conftest.py"
    plugins = ["-p", "no:cacheprovider", "-p", "conftest"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", tmp_path, inner],
        env=os.environ
        | {"HOME": str(tmp_path), "MONGO_USER": "me", "XDG_CONFIG_HOME": str(tmp_path)}
        | {"PYTHONPATH": str(conftest.parent)}
        | FEW_PLUGINS,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_a_login_by_ssh_reads_no_files_of_the_user(tmp_path):
    with running_sshd(tmp_path / "sshd") as server, ssh.connect(server.target()) as client:
        _, output, _ = client.exec_command('echo "$HOME"')
        assert Path(output.read().decode().strip()) == Path.home()
    assert Path.home() != USERS_HOME


def test_a_missing_server_is_named_in_one_line(tmp_path):
    inner = tmp_path / "test_inner.py"
    inner.write_text(
        "from servers import programs\n"
        "def test_it(): programs.needed('a-server-that-is-not-there')\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", inner],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | FEW_PLUGINS,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    line = "a-server-that-is-not-there is missing: run tools/system-packages test"
    assert line in result.stdout.splitlines()
