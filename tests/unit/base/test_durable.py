import errno
from pathlib import Path

import pytest

from xamsflow.base import durable
from xamsflow.base.durable import replacing
from xamsflow.base.errors import ResourcesError


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


def test_the_first_error_is_told_even_if_nothing_can_be_cleaned_up(tmp_path):
    file = tmp_path / "page.html"
    file.write_text("before")
    with pytest.raises(ResourcesError, match=r"no space left for .*page\.html"), replacing(file):
        raise OSError(errno.ENOSPC, "full")  # and there is no partial file to remove
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
