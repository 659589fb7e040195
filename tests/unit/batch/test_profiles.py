"""What the profiles must have in common."""

import os
import subprocess
from pathlib import Path

import pytest

from profile_settings import PROFILES, settings, status_command

BATCH = ["stbc", "slurm", "htcondor"]


@pytest.mark.parametrize("name", BATCH)
def test_what_keeps_runs_right_is_the_same_everywhere(name: str) -> None:
    local, batch = settings("local"), settings(name)
    own = {"cores", "latency-wait"}
    for key in local.keys() - own:
        assert batch[key] == local[key], key


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize("program", ["submit", "cancel"])
def test_the_programs_are_there(name: str, program: str) -> None:
    path = settings(name)[f"cluster-generic-{program}-cmd"]
    assert path == str(PROFILES / name / program)
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", BATCH)
def test_batch_profiles_differ_in_nothing_but_their_programs(name: str) -> None:
    ours, other = settings(name), settings("stbc")
    for key in ours.keys() | other.keys():
        if not key.endswith("-cmd"):
            assert ours[key] == other[key], key


@pytest.mark.parametrize("name", BATCH)
def test_the_status_command_says_one_word_whatever_it_is_asked(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        status_command(name, "no job"),
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "failed\n")
