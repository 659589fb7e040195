"""What a driver looks at before it takes runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.run.driver import Driver
from xamsflow.settings import config

READ_ONLY = Path("/proc/self")
"""A folder in which not even root can make files."""


def driver_with(folder):
    settings = config.load([])
    storage = replace(settings.storage, processed=folder)
    return Driver(replace(settings, storage=storage), lambda: None)


def test_no_run_is_taken_if_its_data_could_not_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=f"{READ_ONLY} is not writable, so no run"):
        driver_with(READ_ONLY / "strax").take_pending()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_only_the_nodes_have_is_not_judged_here():
    driver_with(READ_ONLY / "strax")._check_storage(jobs_run_here=False)
    with pytest.raises(ConfigurationError, match=r"storage\.processed"):
        driver_with(READ_ONLY)._check_storage(jobs_run_here=False)
