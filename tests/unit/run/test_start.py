"""Which profile a name refers to, and what a person types."""

import shlex
import sys
from pathlib import Path

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import start
from xamsflow.state import layout

PROFILES = layout.REPOSITORY / "profiles"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """The working directory is not the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["stbc", "profiles/stbc", str(PROFILES / "stbc")])
def test_one_that_ships(name):
    assert start.profile_folder(name) == PROFILES / "stbc"


@pytest.mark.parametrize("name", ["ours", "./ours", "more/ours"])
def test_one_of_the_site(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    assert start.profile_folder(name) == folder
    assert start.profile_folder(str(folder)) == folder


def test_a_name_is_one_of_those_that_ship_and_a_path_is_the_site_s(tmp_path):
    for folder in (tmp_path / "local", tmp_path / "profiles" / "local"):
        folder.mkdir(parents=True)
        (folder / "config.yaml").touch()
    assert start.profile_folder("local") == PROFILES / "local"
    assert start.profile_folder("profiles/local") == tmp_path / "profiles" / "local"


def test_a_folder_of_the_repository_is_not_a_profile_by_its_name():
    with pytest.raises(ConfigurationError, match="there is no profile 'config'"):
        start.profile_folder("config")


def test_one_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ConfigurationError, match="available: htcondor, local, slurm, stbc; or"):
        start.profile_folder("stoomboot")
    with pytest.raises(ConfigurationError, match=r"did you mean htcondor\?"):
        start.profile_folder("htcondr")


@pytest.mark.parametrize("folder", ["repository", "elsewhere"])
def test_a_typed_command_names_what_snakemake_would_not_find(tmp_path, monkeypatch, folder):
    shell = {"repository": layout.REPOSITORY, "elsewhere": tmp_path}[folder]
    monkeypatch.setenv("PWD", str(shell))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    typed = start.typed("stbc", "results/000932/rundoc.json", directory=shell)
    assert (
        typed
        == {
            "repository": "snakemake results/000932/rundoc.json --profile profiles/stbc",
            "elsewhere": "snakemake results/000932/rundoc.json "
            f"--snakefile {layout.SNAKEFILE} --profile {PROFILES / 'stbc'}",
        }[folder]
    )


def test_a_typed_command_works_without_the_environment_and_from_another_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PWD", str(layout.REPOSITORY))
    monkeypatch.setenv("PATH", "")
    words = start.typed("local", configfiles=[tmp_path / "a b.yaml"], directory=tmp_path)
    assert shlex.split(words) == [
        str(Path(sys.executable).with_name("snakemake")),
        *("--profile", "profiles/local", "--directory", str(tmp_path.resolve())),
        *("--configfile", str(tmp_path / "a b.yaml")),
    ]


def test_a_typed_command_needs_no_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null")
    typed = start.typed("local", directory=tmp_path)
    assert typed.startswith(f"XDG_CACHE_HOME={tmp_path.resolve() / layout.CACHES} ")
