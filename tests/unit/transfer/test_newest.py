"""Only folders with news are copied while a run grows, over one connection."""

import os
import shutil
import time
from pathlib import Path

import pytest

from servers.sshd import running_sshd
from xamsflow.base.errors import StillTakenError
from xamsflow.transfer import newest, rsync
from xamsflow.transfer.newest import Newest
from xamsflow.transfer.source import Folder


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    # File times advance with the kernel's clock tick, up to 10 ms before Linux 6.13.
    monkeypatch.setattr(newest, "SETTLED_S", 0.05)


def test_a_folder_is_new_until_it_was_copied_and_again_after_a_change(tmp_path: Path) -> None:
    watched = Newest(Folder(None, str(tmp_path / "run")))
    with pytest.raises(StillTakenError):
        watched.look()
    (tmp_path / "run" / "000000").mkdir(parents=True)
    (tmp_path / "run" / "000000_post").mkdir()
    names = watched.look()
    assert names == watched.look() == {"000000", "000000_post"}
    watched.done(names)
    assert watched.look() == frozenset()
    (tmp_path / "run" / "000000" / "late").touch()
    assert watched.look() == {"000000"}


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_changes_that_do_not_show_in_the_time_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """Over SFTP, times are in seconds; a look may come long after the one before."""
    monkeypatch.setattr(newest, "SETTLED_S", 0.05)
    run = tmp_path / "run"
    (run / "000000").mkdir(parents=True)
    watched = Newest(Folder(None, str(run)))
    watched.done(watched.look())
    times = {folder: folder.stat().st_mtime_ns for folder in (run, run / "000000")}
    (run / "000000" / "thread").touch()
    (run / "000000_post").mkdir()
    for folder, changed in times.items():
        os.utime(folder, ns=(changed, changed))
    time.sleep(pause_s)
    found = watched.look()
    assert found == {"000000", "000000_post"}
    watched.done(found)
    assert watched.look() == frozenset()


def test_files_beside_the_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run" / "000000").mkdir(parents=True)
    (tmp_path / "run" / "notes.txt").touch()
    assert Newest(Folder(None, str(tmp_path / "run"))).look() == {"000000"}


def test_folders_that_redax_makes_next_are_found_without_listing_all(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "000007").mkdir(parents=True)
    watched = Newest(Folder(None, str(run)))
    watched.done(watched.look())
    for name in ("000007_post", "000008_pre", "000008", "000012_pre", "THE_END", "notes"):
        (run / name).mkdir()
    found = watched.look()
    assert found == {"000007_post", "000008_pre", "000008", "000012_pre", "THE_END"}
    watched.done(found)
    (run / "000020").mkdir()  # too far away: it is copied when the run has ended
    (run / "000013").mkdir()
    assert watched.look() == {"000013"}


def test_only_the_end_of_the_run_itself_stops_the_looks(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("000000", "000000_post", "000001_temp"):
        (run / name).mkdir(parents=True)
    watched = Newest(Folder(None, str(run)))
    assert watched.look() == {"000000", "000000_post"}
    (run / "000001_temp").rename(run / "000001")  # as redax does
    (run / "000000_post").rmdir()
    assert watched.look() == {"000000", "000001"}
    shutil.rmtree(run)
    with pytest.raises(StillTakenError):
        watched.look()


def test_all_looks_share_a_connection_and_copies_what_is_new(tmp_path: Path) -> None:
    run, here = tmp_path / "run", tmp_path / "here"
    for name in ("000000", "[0]*", "000001_temp"):
        (run / name).mkdir(parents=True)
        (run / name / "file").write_text("x")
    here.mkdir()
    with running_sshd(tmp_path / "sshd") as server:
        there = Folder(server.target(), str(run))
        watched = Newest(there)
        for _ in range(5):
            assert watched.look() == {"000000", "[0]*"}
        assert server.log.read_text().count("Accepted publickey") == 1
        watched.close()
        assert rsync.copy(there, here, without="*_temp/*", only=["[0]*", "000001_temp"]) == 1
    assert sorted(str(path.relative_to(here)) for path in here.rglob("*")) == [
        "000001_temp",
        "[0]*",
        "[0]*/file",
    ]
