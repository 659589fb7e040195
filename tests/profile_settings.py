"""The settings of the profiles, as Snakemake reads them."""

from typing import Any

from snakemake.profiles import ProfileConfigFileParser

from xamsflow.state.layout import REPOSITORY

PROFILES = REPOSITORY / "profiles"


def settings(profile: str) -> dict[str, Any]:
    """Return the options that a profile stands for."""
    with (PROFILES / profile / "config.yaml").open() as file:
        return dict(ProfileConfigFileParser().parse(file))


def status_command(profile: str, job: str) -> str:
    """Return what the executor plugin hands to a shell to learn a batch job's status."""
    return f"{settings(profile)['cluster-generic-status-cmd']} '{job}'"
