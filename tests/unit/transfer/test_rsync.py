import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.rights import without_roots_rights
from xamsflow.base.errors import (
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
)
from xamsflow.settings.config import SshHost
from xamsflow.transfer import rsync
from xamsflow.transfer.source import Folder


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    folder = tmp_path / "source"
    (folder / "empty").mkdir(parents=True)
    (folder / "a").write_bytes(b"1234")
    (folder / "b").write_bytes(b"56")
    return Folder(None, str(folder))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def test_copy_returns_the_bytes_sent(source: Folder, here: Path) -> None:
    assert rsync.copy(source, here) == 6
    assert rsync.copy(source, here) == 0
    assert (here / "empty").is_dir()


def test_copy_says_how_far_it_is(source: Folder, here: Path) -> None:
    told: list[int] = []
    assert rsync.copy(source, here, on_bytes=told.append) == 6
    assert told == sorted(told)
    assert told[-1] == 6


def test_copy_deletes_nothing(source: Folder, here: Path) -> None:
    (here / "mine").write_bytes(b"x")
    rsync.copy(source, here, by_checksum=True)
    assert (here / "mine").read_bytes() == b"x"


def test_differences_are_of_content_not_of_time(source: Folder, here: Path) -> None:
    assert rsync.differences(source, here) == ["a", "b", "empty/"]
    assert list(here.iterdir()) == []
    rsync.copy(source, here)
    os.utime(here / "a", (0, 0))
    os.utime(here, (0, 0))
    (here / "a").chmod(0o600)
    assert rsync.differences(source, here) == []
    (here / "b").write_bytes(b"5x")
    os.utime(here / "b", ns=(0, Path(source.path, "b").stat().st_mtime_ns))
    assert rsync.differences(source, here) == ["b"]


def test_source_vanishes(source: Folder, here: Path) -> None:
    with pytest.raises(StillTakenError, match="is changing there"):
        rsync.copy(Folder(None, f"{source.path}/nothing"), here)


def test_version() -> None:
    assert rsync.version()[0].isdigit()


LOCAL = Folder(None, "/daq/000932")
REMOTE = Folder(SshHost("daq"), "/daq/000932")


@pytest.mark.parametrize(
    ("source", "code", "message", "kind"),
    [
        (
            LOCAL,
            11,
            'rsync: write failed on "/x": Disk quota exceeded (122)',
            ResourcesError,
        ),
        (LOCAL, 22, "rsync error: out of memory", ResourcesError),
        (
            LOCAL,
            23,
            'rsync: read errors mapping "/x": Input/output error (5)',
            TransientError,
        ),
        (LOCAL, 24, 'file has vanished: "/daq/000932/000001/a"', StillTakenError),
        (LOCAL, 23, 'rsync: mkdir "/x" failed: Read-only file system (30)', ConfigurationError),
        (LOCAL, 1, "rsync: --x: unknown option", ConfigurationError),
        (LOCAL, -9, "", TransientError),
        (LOCAL, 23, "", TransientError),
        (REMOTE, 30, "[Receiver] io timeout after 600 seconds -- exiting", TransientError),
        (REMOTE, 255, "ssh: connect to host daq port 22: No route to host", TransientError),
        (REMOTE, 255, "Host key verification failed.", ConfigurationError),
        (REMOTE, 255, "a@daq: Permission denied (publickey).", ConfigurationError),
        (REMOTE, 12, "sh: 1: rsync: not found", ConfigurationError),
        (REMOTE, 127, "zsh:1: command not found: rsync", ConfigurationError),
        (
            REMOTE,
            12,
            "client_loop: send disconnect: Broken pipe\nrsync: connection unexpectedly closed",
            TransientError,
        ),
    ],
)
def test_failures(source: Folder, code: int, message: str, kind: type[XamsflowError]) -> None:
    error = rsync.failure(code, message, source, Path("/cluster/000932.incoming"))
    assert type(error) is kind, error
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("message", "is_here"),
    [
        ('rsync: [generator] recv_generator: mkdir "/x" failed: Permission denied (13)', True),
        ('rsync: [receiver] mkstemp "/x" failed: Read-only file system (30)', True),
        ("could not make way for new regular file: a", True),
        ('rsync: [sender] send_files failed to open "/x": Permission denied (13)', False),
        ("rsync: [receiver] read error: Connection reset by peer (104)", False),
        ("rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]", False),
        ("sh: 1: rsync: not found", False),
    ],
)
def test_whether_this_machine_is_the_cause(
    source: Folder, here: Path, monkeypatch: pytest.MonkeyPatch, message: str, is_here: bool
) -> None:
    program = here / "rsync"
    program.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 23\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:{os.environ['PATH']}")
    with pytest.raises(XamsflowError) as caught:
        rsync.copy(source, here)
    assert rsync.is_here(caught.value) is is_here


def test_a_program_that_is_missing_is_missing_here(
    source: Folder, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(ConfigurationError) as caught:
        rsync.copy(source, here)
    assert rsync.is_here(caught.value)


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o027, 0o640), (0o077, 0o600)])
def test_access_rights_come_from_the_umask(
    source: Folder, here: Path, umask: int, mode: int
) -> None:
    (Path(source.path) / "a").chmod(0o600)
    (Path(source.path) / "b").chmod(0o666)
    before = os.umask(umask)
    try:
        rsync.copy(source, here)
    finally:
        os.umask(before)
    assert {(here / name).stat().st_mode & 0o777 for name in "ab"} == {mode}


ANOTHER_USER = """
import sys
from pathlib import Path
from xamsflow.transfer import rsync
from xamsflow.transfer.source import Folder
print(rsync.copy(Folder(None, sys.argv[1]), Path(sys.argv[2])))
"""


def test_another_user_can_go_on_within_a_file(source: Folder, here: Path) -> None:
    """The part is not writable, as rsync leaves it for others; only its folder is."""
    (here / "a").write_bytes(b"12")
    (here / "a").chmod(0o400)
    answer = subprocess.run(
        [sys.executable, "-c", ANOTHER_USER, source.path, str(here)],
        preexec_fn=without_roots_rights,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert (here / "a").read_bytes() == b"1234"
