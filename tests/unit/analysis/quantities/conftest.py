"""A working directory of its own with the processed runs of XAMS."""

import shutil
from pathlib import Path

import pytest

from xamsflow.analysis.site import Site, open_site


@pytest.fixture
def site(place: Path, shared_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    shutil.copytree(place / "results", tmp_path / "results")
    shutil.copy(place / "site.yaml", tmp_path)
    (tmp_path / "data").symlink_to(place / "data")
    monkeypatch.chdir(tmp_path)
    opened = open_site(directory=tmp_path, run_database=False)
    opened.__dict__["_loader"] = shared_site._loader  # a context takes a second
    return opened
