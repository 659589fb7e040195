"""What the profiles must have in common."""

import os
from typing import Any

import pytest
from snakemake.profiles import ProfileConfigFileParser

from xamsflow.layout import REPOSITORY

PROFILES = REPOSITORY / "profiles"
BATCH = ["stbc", "slurm", "htcondor"]


def profile(name: str) -> dict[str, Any]:
    with (PROFILES / name / "config.yaml").open() as file:
        return dict(ProfileConfigFileParser().parse(file))


@pytest.mark.parametrize("name", BATCH)
def test_what_keeps_runs_right_is_the_same_everywhere(name: str) -> None:
    local, batch = profile("local"), profile(name)
    own = {"cores", "latency-wait"}
    for key in local.keys() - own:
        assert batch[key] == local[key], key


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize("program", ["submit", "status", "cancel"])
def test_the_programs_are_there(name: str, program: str) -> None:
    path = profile(name)[f"cluster-generic-{program}-cmd"]
    assert path == str(PROFILES / name / program)
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", BATCH)
def test_batch_profiles_differ_in_nothing_but_their_programs(name: str) -> None:
    ours, other = profile(name), profile("stbc")
    for key in ours.keys() | other.keys():
        if not key.endswith("-cmd"):
            assert ours[key] == other[key], key
