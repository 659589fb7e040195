import os
import traceback
from pathlib import Path

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.rundb import credentials

SECRET = "s3cr3t-w0rd"
GOOD = f"user: daq\npassword: {SECRET}\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("MONGO_USER", raising=False)
    monkeypatch.delenv("MONGO_PASSWORD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_without_any_there_are_none():
    assert credentials.find(None) is None


def test_the_file_named_in_the_configuration(tmp_path):
    found = credentials.find(write(tmp_path / "c", GOOD))
    assert (found.user, found.password) == ("daq", SECRET)


def test_the_default_file_is_used_if_it_exists(home):
    write(home / ".config/xamsflow/credentials", GOOD)
    assert credentials.find(None).user == "daq"


def test_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("MONGO_USER", "me")
    monkeypatch.setenv("MONGO_PASSWORD", "p@ss:/word")
    found = credentials.find(tmp_path / "missing")
    assert (found.user, found.password) == ("me", "p@ss:/word")


@pytest.mark.parametrize("name", ["MONGO_USER", "MONGO_PASSWORD"])
def test_half_an_environment_is_refused(name, monkeypatch):
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigurationError, match="is not: set both or neither") as error:
        credentials.find(None)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_may_use_is_refused(mode, tmp_path):
    file = write(tmp_path / "c", GOOD, mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {file}$"):
        credentials.find(file)


def test_a_loose_default_file_is_refused_too(home):
    write(home / ".config/xamsflow/credentials", GOOD, 0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        credentials.find(None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing \(No such file or directory\)"):
        credentials.find(tmp_path / "missing")


def test_a_file_that_we_may_not_read_is_named(tmp_path):
    file = write(tmp_path / "c", GOOD, 0o200)
    if os.access(file, os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(ConfigurationError, match="Permission denied"):
        credentials.find(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f"- {SECRET}",
        f"user: daq\npasword: {SECRET}",
        f"user: daq\npassword: {SECRET}\n{SECRET}: 1",
        f"user: {SECRET}\npassword: 12345678",
        f"user: {SECRET}\npassword: ''",
        f"user: [{SECRET}\npassword: x",
        f"user: daq\n\tpassword: {SECRET}: {SECRET}",
        f"user: !!python/{SECRET} x",
        f"user: *{SECRET}",
    ],
)
def test_a_wrong_file_is_refused_without_showing_what_it_holds(text, tmp_path):
    file = write(tmp_path / "c", text)
    with pytest.raises(ConfigurationError, match=str(file)) as error:
        credentials.find(file)
    shown = "".join(traceback.format_exception(error.value))
    assert SECRET not in shown
    assert "12345678" not in shown


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = write(tmp_path / "c", "")
    file.write_bytes(b"user: \xff\xfe")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        credentials.find(file)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot read the credentials file|is not a file"):
        credentials.find(tmp_path)


def test_a_link_is_refused(tmp_path):
    file = write(tmp_path / "c", GOOD)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(ConfigurationError, match="link is a symbolic link: name the file itself"):
        credentials.find(tmp_path / "link")


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigurationError, match="pipe is not a file"):
        credentials.find(tmp_path / "pipe")


def test_another_users_file_is_refused(tmp_path):
    file = write(tmp_path / "c", GOOD)
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
        found = "belongs to another user"
    else:
        file, found = Path("/etc/shadow"), "cannot read|belongs to another user"
    with pytest.raises(ConfigurationError, match=found) as error:
        credentials.find(file)
    assert SECRET not in str(error.value)


def test_the_password_is_in_no_repr():
    assert SECRET not in repr(credentials.Credentials("daq", SECRET))
