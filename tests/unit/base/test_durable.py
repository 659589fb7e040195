from pathlib import Path

import pytest

from xamsflow.base import durable


def test_a_folder_is_made_with_its_parents(tmp_path):
    durable.make_folder(tmp_path / "a" / "b")
    durable.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_system_that_cannot_sync_folders_is_accepted():
    """Linux answers EINVAL for /proc, as for some network file systems."""
    durable.sync(Path("/proc"))


def test_failing_to_sync_a_file_is_an_error():
    with pytest.raises(OSError, match="Invalid argument"):
        durable.sync(Path("/proc/self/status"))


def test_an_obstacle_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        durable.make_folder(tmp_path / "file" / "deep")
