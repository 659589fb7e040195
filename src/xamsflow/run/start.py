"""How the workflow is started: Snakemake's command line and the profile."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from xamsflow.base import caches
from xamsflow.base.errors import ConfigurationError, did_you_mean
from xamsflow.state import layout

QUEUE_JOBS = 100
"""Runs processed at a time on a batch system, by default."""


def profile_folder(name: str) -> Path:
    """Return the folder of a profile: one of ``profiles/`` by its name, or a folder by its path.

    A path is relative to the working directory or, like ``profiles/stbc``, to the repository.
    Raises ConfigurationError, which lists the existing profiles.
    """
    profiles, here = layout.REPOSITORY / "profiles", Path(name).expanduser().absolute()
    is_path = len(Path(name).parts) > 1
    for folder in (here, layout.REPOSITORY / name) if is_path else (profiles / name, here):
        if (folder / "config.yaml").is_file():
            return folder
    known = [path.parent.name for path in sorted(profiles.glob("*/config.yaml"))]
    raise ConfigurationError(
        f"there is no profile {name!r}{did_you_mean(name, known)}",
        f"available: {', '.join(known)}; or give a folder",
    )


def works_here(profile: Path) -> bool:
    """Return whether a profile runs the jobs on this machine, without a batch system."""
    settings = yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))
    return "executor" not in settings


def usual_jobs(profile: Path) -> int:
    """Return how many runs a profile processes at a time by default."""
    return len(os.sched_getaffinity(0)) if works_here(profile) else QUEUE_JOBS


def snakemake(profile: Path, configfiles: Iterable[Path], *arguments: str) -> list[str]:
    """Return the command that starts the workflow in this folder; `arguments` are Snakemake's."""
    files = [str(file) for file in configfiles]
    return [
        str(_program("snakemake")),
        "--snakefile",
        str(layout.SNAKEFILE),
        "--profile",
        str(profile),
        "--directory",
        str(Path.cwd()),
        *arguments,  # not after --configfile, which would take targets for files
        *(["--configfile", *files] if files else []),
    ]


def typed(
    profile: str,
    *targets: str | Path,
    configfiles: Iterable[Path] = (),
    directory: Path | None = None,
) -> str:
    """Return the command with which a person starts the workflow, to paste into the shell.

    `directory` is the working directory, by default the current one. The command names what
    Snakemake would not find from the folder in which the person types: the Snakefile, the profile,
    the working directory, a folder for its caches if the home cannot be written.

    Raises ConfigurationError if there is no such profile.
    """
    folder, work = profile_folder(profile), (directory or Path.cwd()).resolve()
    repository, shell = layout.REPOSITORY.resolve(), Path(os.environ.get("PWD", "/")).resolve()
    program = _program("snakemake")
    is_active = shutil.which("snakemake") == str(program)
    words = ["snakemake" if is_active else str(program), *map(str, targets)]
    if shell != repository:
        words += ["--snakefile", str(layout.SNAKEFILE)]
    elif folder.resolve().is_relative_to(repository):
        folder = folder.resolve().relative_to(repository)
    words += ["--profile", str(folder)]
    if shell != work:
        words += ["--directory", str(work)]
    files = [str(file) for file in configfiles]
    command = shlex.join([*words, *(["--configfile", *files] if files else [])])
    if caches.home_is_usable():
        return command
    return f"{caches.OTHERS}={shlex.quote(str(work / layout.CACHES))} {command}"


def _program(name: str) -> Path:
    """Return a program of this environment."""
    return Path(sys.executable).with_name(name)
