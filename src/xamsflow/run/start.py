"""How the workflow is started: Snakemake's command line, and what a profile says."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout

QUEUE_JOBS = 100
"""Runs worked on at a time where a batch system does the work, if nobody says otherwise."""


def profile_folder(name: str) -> Path:
    """Return the folder of a profile: one of ``profiles/``, or any folder by its path.

    Raises ConfigurationError naming those that there are.
    """
    for folder in (layout.REPOSITORY / "profiles" / name, Path(name).absolute()):
        if (folder / "config.yaml").is_file():
            return folder
    known = sorted(path.parent.name for path in layout.REPOSITORY.glob("profiles/*/config.yaml"))
    raise ConfigurationError(
        f"there is no profile {name!r}", f"there are {', '.join(known)}, or give a folder"
    )


def works_here(profile: Path) -> bool:
    """Tell whether a profile does the work on this machine, without a batch system."""
    settings = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))
    return "executor" not in settings


def usual_jobs(profile: Path) -> int:
    """Return how many runs a profile works on at a time if nobody says how many."""
    return len(os.sched_getaffinity(0)) if works_here(profile) else QUEUE_JOBS


def snakemake(profile: Path, configfiles: Iterable[Path], *arguments: str) -> list[str]:
    """Return the command that starts the workflow in this folder; `arguments` are Snakemake's."""
    files = [str(file) for file in configfiles]
    return [
        str(Path(sys.executable).with_name("snakemake")),
        "--snakefile",
        str(layout.SNAKEFILE),
        "--profile",
        str(profile),
        "--directory",
        str(Path.cwd()),
        *arguments,  # not behind --configfile, which would take targets for files
        *(["--configfile", *files] if files else []),
    ]
