"""A working directory of its own with the processed runs of XAMS."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from xamsflow.analysis.quantities.own import Limits, OwnQuantities
from xamsflow.analysis.site import Site, open_site


@pytest.fixture
def site(place: Path, shared_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    shutil.copytree(place / "results", tmp_path / "results")
    nowhere = "{uri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1'}"
    (tmp_path / "site.yaml").write_text(f"detector: xams\nrundb: {nowhere}\n")
    (tmp_path / "data").symlink_to(place / "data")
    monkeypatch.chdir(tmp_path)
    opened = open_site(directory=tmp_path, run_database=False)
    opened.__dict__["loader"] = shared_site.loader  # a context takes a second
    return opened


@pytest.fixture
def own(site: Site) -> Iterator[OwnQuantities]:
    """The quantities of the site, with limits that are reached soon."""
    with OwnQuantities(site, Limits(time_s=5.0, memory=500_000_000)) as made:
        yield made
