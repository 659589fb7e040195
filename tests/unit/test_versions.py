"""Versions that are written down in two places agree."""

import re
import tomllib

import yaml

import xamsflow
from xamsflow.state.layout import REPOSITORY


def test_the_environment_of_the_rules_is_the_locked_one():
    lock = (REPOSITORY / "requirements.lock").read_text()
    environment = yaml.safe_load((REPOSITORY / "workflow/envs/xamsflow.yaml").read_text())
    for requirement in environment["dependencies"][-1]["pip"]:
        assert re.search(rf"^{requirement.replace(' ', '')}$", lock, re.MULTILINE), requirement


def test_the_lock_file_names_no_address():
    assert "://" not in (REPOSITORY / "requirements.lock").read_text()


def test_the_version_of_the_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == xamsflow.__version__
    assert f"## {xamsflow.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()
